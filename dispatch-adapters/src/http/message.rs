//! From envelopes to the body and headers of a request: the HTTP protocol binding of CloudEvents 1.0.

use std::fmt::Write as _;

use bytes::Bytes;
use dispatch_core::delivery::DeliveryError;
use dispatch_core::envelope::cloudevents::{EventData, ExtensionValue};
use dispatch_core::{CloudEvent, Envelope, Payload};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::headers::{insert, travels};
use super::{CloudEventsMode, HttpError};

/// What is sent, whoever it is sent to.
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Message {
    /// One envelope.
    pub(crate) fn of(envelope: &Envelope, mode: CloudEventsMode) -> Result<Self, DeliveryError> {
        let mut message = match mode {
            CloudEventsMode::Structured => {
                let event = event(envelope)?;
                Self::json(CloudEvent::MEDIA_TYPE, &event)?
            }
            CloudEventsMode::Binary => Self::binary(&event(envelope)?)?,
            CloudEventsMode::Batched => return Self::batch(&[event(envelope)?]),
            CloudEventsMode::None => Self::plain(envelope)?,
        };
        if let Some(trace) = envelope.trace() {
            insert(&mut message.headers, "traceparent", &trace.to_string())?;
        }
        Ok(message)
    }

    /// Several events.
    pub(super) fn batch(events: &[CloudEvent]) -> Result<Self, DeliveryError> {
        Self::json("application/cloudevents-batch+json", events)
    }

    fn json(media_type: &str, content: &(impl serde::Serialize + ?Sized)) -> Result<Self, DeliveryError> {
        let body = serde_json::to_vec(content).map_err(HttpError::envelope)?.into();
        let mut headers = HeaderMap::new();
        insert(&mut headers, "content-type", media_type)?;
        Ok(Self { headers, body })
    }

    fn binary(event: &CloudEvent) -> Result<Self, DeliveryError> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| insert(&mut headers, &format!("ce-{name}"), &encode(value));
        set("specversion", CloudEvent::SPEC_VERSION)?;
        set("id", event.id())?;
        set("source", event.source())?;
        set("type", event.event_type())?;
        for (name, value) in
            [("subject", event.subject()), ("time", event.time_text()), ("dataschema", event.data_schema())]
        {
            if let Some(value) = value {
                set(name, value)?;
            }
        }
        for (name, value) in event.extensions() {
            match value {
                ExtensionValue::Text(text) => set(name, text)?,
                ExtensionValue::Integer(number) => set(name, &number.to_string())?,
                ExtensionValue::Boolean(value) => set(name, &value.to_string())?,
            }
        }
        let content_type = event.data_content_type();
        let body = match event.data() {
            None => Bytes::new(),
            Some(EventData::Binary(data)) => data.clone(),
            Some(EventData::Json(value)) => match &**value {
                Value::String(text) if content_type.is_some_and(|it| !is_json(it)) => text.clone().into(),
                value => serde_json::to_vec(value).map_err(HttpError::envelope)?.into(),
            },
        };
        if let Some(content_type) = content_type.or(event.data().is_some().then_some(Payload::JSON)) {
            insert(&mut headers, "content-type", content_type)?;
        }
        Ok(Self { headers, body })
    }

    fn plain(envelope: &Envelope) -> Result<Self, DeliveryError> {
        let (body, content_type) = envelope.raw_payload().to_bytes().map_err(HttpError::envelope)?;
        let mut headers = HeaderMap::new();
        for (name, value) in envelope.headers().iter().filter(|(name, _)| travels(name)) {
            insert(&mut headers, name, value)?;
        }
        if !matches!(envelope.raw_payload(), Payload::Empty) && !content_type.is_empty() {
            insert(&mut headers, "content-type", &content_type)?;
        }
        Ok(Self { headers, body })
    }
}

/// The event that an envelope is.
pub(super) fn event(envelope: &Envelope) -> Result<CloudEvent, DeliveryError> {
    envelope.to_cloud_event().map_err(HttpError::envelope)
}

/// The value of an attribute as the value of a header: what is not visible ASCII, and space, quote and percent, are
/// percent-encoded, so nothing in it can end the header.
fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => {}
            b'!'..=b'~' => {
                encoded.push(char::from(byte));
                continue;
            }
            _ => {}
        }
        // Writing to a String cannot fail.
        let _ = write!(encoded, "%{byte:02X}");
    }
    encoded
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == Payload::JSON || essence == "text/json" || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_become_visible_ascii() {
        for (value, header) in [
            ("Euro \u{20ac} \u{1f600}", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("a\r\nb: c\0", "a%0D%0Ab:%20c%00"),
            ("{\"a\":\"50%\"}", "{%22a%22:%2250%25%22}"),
            ("/plain~", "/plain~"),
        ] {
            assert_eq!(encode(value), header);
        }
    }
}
