use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::publish::PublishAck;
use async_nats::{ConnectError, ConnectErrorKind};
use dispatch_core::delivery::{DeliveryError, Receipt};

use crate::tls::refusal;

/// No connection was made; `secure` if TLS was asked for.
pub(super) fn not_connected(error: ConnectError, server: &str, secure: bool) -> DeliveryError {
    if let Some(why) = refusal(&error) {
        let text = match secure {
            true => format!("cannot connect to {server}: {why}"),
            false => format!("{server} wants TLS: write the url as tls://host:port"),
        };
        return DeliveryError::retry(text).with_source(error);
    }
    let made = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            DeliveryError::permanent(format!("{server} refused the login: check the user in the url"))
        }
        ConnectErrorKind::ServerParse => DeliveryError::permanent(format!("{server} is not an address")),
        kind => DeliveryError::retry(format!("cannot connect to {server}: {kind}")),
    };
    made.with_source(error)
}

/// What JetStream answered.
pub(super) fn receipt(
    answer: Result<PublishAck, PublishError>,
    server: &str,
) -> Result<Receipt, DeliveryError> {
    answer
        .map(|ack| Receipt::with_id(format!("{}:{}", ack.stream, ack.sequence)))
        .map_err(|e| not_stored(e, server))
}

/// JetStream has not stored a message, or has not said so.
pub(super) fn not_stored(error: PublishError, server: &str) -> DeliveryError {
    let refused = std::error::Error::source(&error)
        .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>())
        .map(|refused| (refused.code(), refused.to_string()));
    let made = match (error.kind(), refused) {
        (PublishErrorKind::StreamNotFound, _) => {
            DeliveryError::permanent(format!("no stream at {server} takes this subject: create one"))
        }
        (PublishErrorKind::MaxPayloadExceeded, _) => DeliveryError::permanent(format!(
            "the message is longer than {server} allows: raise its max_payload"
        )),
        // As in HTTP: 4xx is about the message, 5xx about the server, such as a stream that is full.
        (_, Some((400..500, text))) => {
            DeliveryError::permanent(format!("{server} refused the message: {text}"))
        }
        (_, Some((_, text))) => DeliveryError::retry(format!("{server} did not store the message: {text}")),
        (kind, None) => DeliveryError::retry(format!("{server} has not confirmed the message: {kind}")),
    };
    made.with_source(error)
}
