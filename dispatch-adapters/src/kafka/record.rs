use std::time::UNIX_EPOCH;

use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::Delivery;

use super::KafkaOptions;
use crate::wire::{Form, check_size, encode};

/// What is written.
pub(super) struct Record {
    pub(super) topic: String,
    pub(super) headers: OwnedHeaders,
    pub(super) body: Vec<u8>,
    pub(super) timestamp_ms: Option<i64>,
}

/// The record of an envelope.
pub(super) fn of(envelope: &Envelope, options: &KafkaOptions) -> Result<Record, DeliveryError> {
    let topic = options.topic.render(envelope, "topic")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.chars().all(allowed) {
        let text = format!("'{topic}' is not a topic of Kafka: use 1 to 249 letters, digits, dots, _ and -");
        return Err(DeliveryError::permanent(text));
    }
    let encoded = encode(envelope, options.form, "ce_")?;
    check_size(encoded.len() + envelope.key().map_or(0, str::len), options.max_bytes)?;
    let id = envelope.id().to_string();
    let mut headers = OwnedHeaders::new_with_capacity(encoded.headers.len() + 2)
        .insert(Header { key: "content-type", value: Some(&*encoded.content_type) });
    if options.form == Form::Structured {
        headers = headers.insert(Header { key: "id", value: Some(&id) });
    }
    for (name, value) in &encoded.headers {
        if name.contains('\0') {
            return Err(DeliveryError::permanent("the name of a header has a NUL, which Kafka cannot take"));
        }
        if name != "content-type" {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
    }
    let age = envelope.created_at().duration_since(UNIX_EPOCH).ok();
    let timestamp_ms = age.and_then(|age| i64::try_from(age.as_millis()).ok());
    Ok(Record { topic, headers, body: encoded.body, timestamp_ms })
}

/// Where it was written.
pub(super) fn receipt(topic: &str, delivery: &Delivery) -> Receipt {
    // Without acks nobody says at which offset.
    Receipt::with_id(match delivery.offset {
        0.. => format!("{topic}/{}/{}", delivery.partition, delivery.offset),
        _ => format!("{topic}/{}", delivery.partition),
    })
}
