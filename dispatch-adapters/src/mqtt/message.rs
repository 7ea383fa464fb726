use dispatch_core::Envelope;
use dispatch_core::delivery::DeliveryError;
use rumqttc::{PublishOptions, PublishProperties};

use super::MqttOptions;
use crate::wire::{Form, check_size, encode};

/// The longest text that MQTT can send.
const MAX_TEXT: usize = 65_535;

/// What is published.
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) options: PublishOptions,
    pub(super) body: Vec<u8>,
    /// No less than the packet will have.
    pub(super) packet_bytes: usize,
}

/// The message of an envelope.
pub(super) fn of(envelope: &Envelope, options: &MqttOptions) -> Result<Message, DeliveryError> {
    let topic = options.topic.render(envelope, "topic")?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        let text = format!("'{topic}' is not a topic of MQTT: use a text without +, # or NUL");
        return Err(DeliveryError::permanent(text));
    }
    let encoded = encode(envelope, options.form, "")?;
    check_size(encoded.len(), options.max_bytes)?;
    let mut properties = PublishProperties {
        content_type: Some(encoded.content_type.to_string()),
        user_properties: encoded.headers,
        ..PublishProperties::default()
    };
    if options.form == Form::Structured {
        properties.payload_format_indicator = Some(1);
        properties.user_properties.push(("id".to_owned(), envelope.id().to_string()));
    }
    let texts = properties.user_properties.iter().flat_map(|(name, value)| [name, value]);
    if let Some(long) = texts.chain([&topic]).find(|text| text.len() > MAX_TEXT) {
        let text = format!("a topic or header has {} bytes: MQTT takes at most {MAX_TEXT}", long.len());
        return Err(DeliveryError::permanent(text));
    }
    let properties_bytes: usize =
        properties.user_properties.iter().map(|(name, value)| name.len() + value.len() + 5).sum();
    let packet_bytes = encoded.body.len() + topic.len() + encoded.content_type.len() + properties_bytes + 32;
    let options = PublishOptions::new(options.qos.into()).retain(options.retain).properties(properties);
    Ok(Message { topic, options, body: encoded.body, packet_bytes })
}
