use dispatch_core::RegistrationError;
use dispatch_core::delivery::{DeliveryError, Receipt};
use lapin::options::ConfirmSelectOptions;
use lapin::uri::AMQPUri;
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};

use super::message::Message;
use super::{AmqpOptions, error};
use crate::wire::{Checks, ServerUrl};

/// Where to connect, and as whom.
pub(super) struct Server {
    pub(super) label: String,
    uri: AMQPUri,
}

impl Server {
    /// The server of the options.
    pub(super) fn of(options: &AmqpOptions) -> Result<Self, RegistrationError> {
        let mut problems = options.problems();
        let mut checks = Checks::of("amqp");
        let server = checks.url(&options.url, AmqpOptions::SCHEMES).and_then(|url| {
            let Ok(mut uri) = url.as_str().parse::<AMQPUri>() else {
                checks.add("url: the client refuses it: write it as amqp://user:password@host:port/%2f");
                return None;
            };
            // A broker that vanished is noticed within two of these.
            uri.query.heartbeat.get_or_insert(10);
            Some(Self { label: ServerUrl::label(&url, 5672), uri })
        });
        problems.extend(checks.problems());
        RegistrationError::check(problems)?;
        server.ok_or_else(|| Checks::nothing_left("amqp"))
    }

    /// Connects and opens a channel with publisher confirms.
    pub(super) async fn connect(&self) -> Result<Session, DeliveryError> {
        let open = async {
            let properties = ConnectionProperties::default().with_connection_name("dispatch".into());
            let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Session { connection, channel })
        };
        open.await.map_err(|failed| error::not_connected(failed, &self.label))
    }
}

/// A connection with one channel.
pub(super) struct Session {
    connection: Connection,
    channel: Channel,
}

/// A message on its way, and where it leads to.
pub(super) struct Published {
    confirm: PublisherConfirm,
    place: String,
}

impl Session {
    pub(super) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Sends a message.
    pub(super) async fn publish(&self, message: Message, server: &str) -> Result<Published, DeliveryError> {
        let Message { exchange, routing_key, options, properties, body } = message;
        let place = format!("routing key '{routing_key}' of exchange '{exchange}'");
        let sent = self.channel.basic_publish(exchange, routing_key, options, &body, properties).await;
        let confirm = sent.map_err(|failed| error::not_taken(failed, server))?;
        Ok(Published { confirm, place })
    }

    /// Asks the broker for what it has already done.
    pub(super) async fn round_trip(&self, server: &str) -> Result<(), DeliveryError> {
        let asked = self.channel.confirm_select(ConfirmSelectOptions::default()).await;
        asked.map_err(|failed| error::not_taken(failed, server))
    }
}

/// What the broker says about a message.
pub(super) async fn confirmed(published: Published, server: &str) -> Result<Receipt, DeliveryError> {
    let Published { confirm, place } = published;
    match confirm.await.map_err(|failed| error::not_taken(failed, server))? {
        Confirmation::Ack(None) => Ok(Receipt::taken()),
        Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Err(DeliveryError::permanent(format!(
            "no queue at {server} is bound to {place}: bind one, or turn off mandatory"
        ))),
        Confirmation::Nack(None) => Err(DeliveryError::retry(format!("{server} could not take the message"))),
        Confirmation::NotRequested => {
            Err(DeliveryError::retry(format!("{server} does not confirm messages")))
        }
    }
}
