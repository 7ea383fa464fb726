use std::time::UNIX_EPOCH;

use dispatch_core::Envelope;
use dispatch_core::delivery::DeliveryError;
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::AmqpOptions;
use crate::wire::{check_size, encode};

/// What is published.
pub(super) struct Message {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) options: BasicPublishOptions,
    pub(super) properties: BasicProperties,
    /// The id in the properties.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// The message of an envelope.
pub(super) fn of(envelope: &Envelope, options: &AmqpOptions) -> Result<Message, DeliveryError> {
    let routing_key = options.routing_key.render(envelope, "routing key")?;
    let encoded = encode(envelope, options.form, "cloudEvents_")?;
    check_size(encoded.len(), options.max_bytes)?;
    let id = envelope.id().to_string();
    let mut properties = BasicProperties::default()
        .with_content_type(short("content type", &encoded.content_type)?)
        .with_message_id(short("id", &id)?)
        .with_delivery_mode(if options.persistent { 2 } else { 1 });
    // These stand in the event as well, so nothing is lost where they do not fit.
    if let Ok(message_type) = ShortString::try_new(envelope.message_type_str()) {
        properties = properties.with_type(message_type);
    }
    if let Some(id) = envelope.correlation_id() {
        properties = properties.with_correlation_id(short("correlation id", &id.to_string())?);
    }
    if let Ok(age) = envelope.created_at().duration_since(UNIX_EPOCH) {
        properties = properties.with_timestamp(age.as_secs());
    }
    if !encoded.headers.is_empty() {
        let mut headers = FieldTable::default();
        for (name, value) in encoded.headers {
            headers.insert(short("name of a header", &name)?, AMQPValue::LongString(value.into()));
        }
        properties = properties.with_headers(headers);
    }
    Ok(Message {
        exchange: short("exchange", &options.exchange)?,
        routing_key: short("routing key", &routing_key)?,
        options: BasicPublishOptions { mandatory: options.mandatory, ..BasicPublishOptions::default() },
        properties,
        id,
        body: encoded.body,
    })
}

fn short(what: &str, text: &str) -> Result<ShortString, DeliveryError> {
    ShortString::try_new(text).map_err(|_| {
        DeliveryError::permanent(format!("the {what} has {} bytes: AMQP takes at most 255", text.len()))
    })
}
