//! From envelopes to the body and headers of a request: the HTTP protocol binding of CloudEvents 1.0.

use std::fmt::Write as _;

use bytes::Bytes;
use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind};
use dispatch_core::envelope::cloudevents::{CloudEventError, EventData, ExtensionValue};
use dispatch_core::{CloudEvent, Envelope, Payload};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::headers::{insert, travels};
use super::{CloudEventsMode, HttpError};

/// The media type of several events.
const BATCH: &str = "application/cloudevents-batch+json";

/// What is sent, whoever it is sent to.
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Message {
    /// One envelope.
    pub(crate) fn of(envelope: &Envelope, mode: CloudEventsMode) -> Result<Self, DeliveryError> {
        let mut message = match mode {
            CloudEventsMode::Structured => Self::structured(envelope)?,
            CloudEventsMode::Binary => Self::binary(&event(envelope)?)?,
            CloudEventsMode::Batched => return Self::batch(&[&json(envelope)?]),
            CloudEventsMode::None => Self::plain(envelope)?,
        };
        if let Some(trace) = envelope.trace() {
            insert(&mut message.headers, "traceparent", &trace.to_string())?;
        }
        Ok(message)
    }

    /// Several events, each in JSON.
    pub(super) fn batch(events: &[&[u8]]) -> Result<Self, DeliveryError> {
        let mut body = Vec::with_capacity(2 + events.iter().map(|event| event.len() + 1).sum::<usize>());
        body.push(b'[');
        for (number, event) in events.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(event);
        }
        body.push(b']');
        let mut headers = HeaderMap::new();
        insert(&mut headers, "content-type", BATCH)?;
        Ok(Self { headers, body: body.into() })
    }

    /// The message, if it is not too long.
    pub(crate) fn within(self, max_bytes: usize) -> Result<Self, DeliveryError> {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        check(self.body.len() + headers, max_bytes)?;
        Ok(self)
    }

    fn structured(envelope: &Envelope) -> Result<Self, DeliveryError> {
        let mut headers = HeaderMap::new();
        insert(&mut headers, "content-type", CloudEvent::MEDIA_TYPE)?;
        Ok(Self { headers, body: json(envelope)?.into() })
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
                value => serde_json::to_vec(value).map_err(HttpError::unwritable)?.into(),
            },
        };
        if let Some(content_type) = content_type.or(event.data().is_some().then_some(Payload::JSON)) {
            insert(&mut headers, "content-type", content_type)?;
        }
        Ok(Self { headers, body })
    }

    fn plain(envelope: &Envelope) -> Result<Self, DeliveryError> {
        let (body, content_type) = envelope.raw_payload().to_bytes().map_err(HttpError::unwritable)?;
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

/// What a batch is beside its events: brackets and the one header.
const FRAME: usize = "[]".len() + "content-type".len() + BATCH.len();

/// The event that an envelope is, as it stands in a batch that is not too long.
pub(super) fn element(envelope: &Envelope, max_bytes: usize) -> Result<Vec<u8>, DeliveryError> {
    let event = json(envelope)?;
    check(FRAME + event.len(), max_bytes)?;
    Ok(event)
}

/// The events in as few requests as their length allows, in order. Each of them is short enough alone.
pub(super) fn requests<'a, 'b>(events: &'a [&'b [u8]], max_bytes: usize) -> Vec<&'a [&'b [u8]]> {
    let (mut requests, mut rest) = (Vec::new(), events);
    while !rest.is_empty() {
        let mut bytes = FRAME;
        let fits = rest.iter().take_while(|event| {
            bytes += event.len();
            let fits = bytes <= max_bytes;
            // The comma before the next one.
            bytes += 1;
            fits
        });
        let (request, after) = rest.split_at(fits.count().clamp(1, rest.len()));
        requests.push(request);
        rest = after;
    }
    requests
}

fn check(bytes: usize, max_bytes: usize) -> Result<(), DeliveryError> {
    if bytes > max_bytes {
        return Err(HttpError::TooLong { bytes, max_bytes }.into_delivery(DeliveryErrorKind::Permanent));
    }
    Ok(())
}

fn json(envelope: &Envelope) -> Result<Vec<u8>, DeliveryError> {
    serde_json::to_vec(&event(envelope)?).map_err(HttpError::unwritable)
}

/// The event that an envelope is.
fn event(envelope: &Envelope) -> Result<CloudEvent, DeliveryError> {
    use CloudEventError::{Blank, ExtensionName, TimeRange, TooLong};
    envelope.to_cloud_event().map_err(|error| match error {
        Blank { .. } | ExtensionName { .. } | TimeRange | TooLong { .. } => HttpError::envelope(error),
        other => HttpError::unwritable(other),
    })
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_hold_every_event_in_order_and_are_as_few_as_can_be(
            lengths in prop::collection::vec(0_usize..40, 0..60),
            spare in 40_usize..200,
        ) {
            let max_bytes = FRAME + spare;
            let events: Vec<_> = lengths.iter().map(|length| vec![b'1'; *length]).collect();
            let events: Vec<_> = events.iter().map(Vec::as_slice).collect();
            let requests = requests(&events, max_bytes);
            prop_assert_eq!(requests.concat(), events.clone());
            let bytes = |events: &[&[u8]]| {
                let message = Message::batch(events).unwrap();
                message.body.len() + FRAME - "[]".len()
            };
            for (number, request) in requests.iter().enumerate() {
                prop_assert!(bytes(request) <= max_bytes);
                if let Some(next) = requests.get(number + 1) {
                    prop_assert!(bytes(&[*request, &next[..1]].concat()) > max_bytes, "there was room for one more");
                }
            }
        }
    }

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
