use dispatch_core::delivery::DeliveryError;
use dispatch_core::uuid::Uuid;
use dispatch_core::{Envelope, Topic};
use serde::Serialize;

use super::PostgresOptions;

/// The longest payload: PostgreSQL wants less than 8,000 bytes.
const MAX_PAYLOAD_BYTES: usize = 7_999;
/// The longest name of a channel.
const MAX_CHANNEL_BYTES: usize = 63;

/// What is sent.
pub(super) struct Notification {
    pub(super) channel: String,
    pub(super) payload: String,
}

/// What an envelope is.
#[derive(Serialize)]
struct Reference<'a> {
    id: Uuid,
    #[serde(rename = "type")]
    message_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Uuid>,
}

/// The notification of an envelope.
pub(super) fn of(envelope: &Envelope, options: &PostgresOptions) -> Result<Notification, DeliveryError> {
    let channel = options.channel.render(envelope, "channel")?;
    if channel.is_empty() || channel.len() > MAX_CHANNEL_BYTES || channel.contains(char::is_control) {
        let text = format!(
            "'{channel}' is not the name of a channel: use 1 to {MAX_CHANNEL_BYTES} bytes without control characters"
        );
        return Err(DeliveryError::permanent(text));
    }
    let reference = Reference {
        id: envelope.id(),
        message_type: envelope.message_type_str(),
        topic: envelope.topic().map(Topic::as_str),
        key: envelope.key(),
        correlation_id: envelope.correlation_id(),
    };
    let payload = serde_json::to_string(&reference)
        .map_err(|error| DeliveryError::permanent(format!("the notification cannot be written: {error}")))?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        let text = format!(
            "the notification has {} bytes: PostgreSQL takes at most {MAX_PAYLOAD_BYTES}; shorten key or message type",
            payload.len()
        );
        return Err(DeliveryError::permanent(text));
    }
    Ok(Notification { channel, payload })
}
