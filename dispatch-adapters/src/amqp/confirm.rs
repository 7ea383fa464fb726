use std::collections::HashSet;

use dispatch_core::delivery::{DeliveryError, Receipt};
use futures_util::future::join_all;
use lapin::message::BasicReturnMessage;
use lapin::{Channel, Confirmation, PublisherConfirm};

use super::error;
use super::message::Message;

/// A message on its way, and where it leads to.
pub(super) struct Published {
    confirm: PublisherConfirm,
    id: String,
    place: String,
}

/// Sends a message.
pub(super) async fn publish(
    channel: &Channel,
    message: Message,
    server: &str,
) -> Result<Published, DeliveryError> {
    let Message { exchange, routing_key, options, properties, id, body } = message;
    let place = format!("routing key '{routing_key}' of exchange '{exchange}'");
    let sent = channel.basic_publish(exchange, routing_key, options, &body, properties).await;
    let confirm = sent.map_err(|failed| error::not_taken(failed, server))?;
    Ok(Published { confirm, id, place })
}

/// What the broker says about messages, in their order; these are all that are under way on their channel.
pub(super) async fn confirmed(
    sent: Vec<Result<Published, DeliveryError>>,
    server: &str,
) -> Vec<Result<Receipt, DeliveryError>> {
    // What came back with a confirmation need not be the message that was confirmed: its id tells.
    let mut came_back = HashSet::new();
    let wait = |published: Result<Published, DeliveryError>| async {
        let Published { confirm, id, place } = published?;
        let said = confirm.await.map_err(|failed| error::not_taken(failed, server))?;
        Ok((said, id, place))
    };
    let said = join_all(sent.into_iter().map(wait)).await;
    for (confirmation, ..) in said.iter().flatten() {
        came_back.extend(returned(confirmation).and_then(id_of));
    }
    let judge = |(said, id, place): (Confirmation, String, String)| {
        if came_back.contains(&id) {
            let text = format!("no queue at {server} is bound to {place}: bind one, or turn off mandatory");
            return Err(DeliveryError::permanent(text));
        }
        match said {
            Confirmation::Ack(_) => Ok(Receipt::taken()),
            Confirmation::Nack(_) => {
                Err(DeliveryError::retry(format!("{server} could not take the message")))
            }
            Confirmation::NotRequested => {
                Err(DeliveryError::retry(format!("{server} does not confirm messages")))
            }
        }
    };
    said.into_iter().map(|said| said.and_then(judge)).collect()
}

fn returned(confirmation: &Confirmation) -> Option<&BasicReturnMessage> {
    match confirmation {
        Confirmation::Ack(message) | Confirmation::Nack(message) => message.as_ref(),
        Confirmation::NotRequested => None,
    }
}

fn id_of(message: &BasicReturnMessage) -> Option<String> {
    message.properties.message_id().as_ref().map(ToString::to_string)
}
