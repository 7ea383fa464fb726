use async_nats::header::{HeaderMap, HeaderName, HeaderValue, NATS_EXPECTED_STREAM, NATS_MESSAGE_ID};
use dispatch_core::Envelope;
use dispatch_core::delivery::DeliveryError;

use super::NatsOptions;
use crate::wire::{check_size, encode};

/// What is published.
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The message of an envelope.
pub(super) fn of(envelope: &Envelope, options: &NatsOptions) -> Result<Message, DeliveryError> {
    let subject = options.subject.render(envelope, "subject")?;
    let bad = |part: &str| {
        part.is_empty()
            || part == "*"
            || part == ">"
            || part.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    if subject.split('.').any(bad) {
        let text =
            format!("'{subject}' is not a subject: use parts between dots, with no white space or wildcard");
        return Err(DeliveryError::permanent(text));
    }
    let encoded = encode(envelope, options.form, "ce-")?;
    check_size(encoded.len(), options.max_bytes)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &encoded.headers {
        headers.insert(header_name(name)?, header_value(name, value)?);
    }
    headers.insert(header_name("content-type")?, header_value("content-type", &encoded.content_type)?);
    headers.insert(NATS_MESSAGE_ID, header_value("id", &envelope.id().to_string())?);
    if let Some(stream) = &options.stream {
        headers.insert(NATS_EXPECTED_STREAM, header_value("stream", stream)?);
    }
    Ok(Message { subject, headers, body: encoded.body })
}

fn header_name(name: &str) -> Result<HeaderName, DeliveryError> {
    name.parse()
        .map_err(|_| DeliveryError::permanent(format!("'{name}' cannot be the name of a NATS header")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, DeliveryError> {
    let refused =
        |_| DeliveryError::permanent(format!("header '{name}' has a line break, which NATS cannot send"));
    value.parse().map_err(refused)
}
