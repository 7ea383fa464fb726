use std::sync::Arc;

use dispatch_core::delivery::DeliveryError;
use dispatch_core::envelope::CloudEvent;
use dispatch_core::envelope::cloudevents::ExtensionValue;
use dispatch_core::{Envelope, Headers};
use serde::{Deserialize, Serialize};

/// How an envelope is written as a message. Both forms are those of CloudEvents 1.0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Form {
    /// All of the envelope as JSON, of the media type `application/cloudevents+json`.
    #[default]
    Structured,
    /// The bytes of the payload as they are; everything else in the headers of the message, where the envelope's own
    /// headers stand as well. Only for brokers that have headers.
    Binary,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Arc<str>,
    /// The attributes of the event under `prefix`, and the headers of the envelope; none in the structured form.
    pub(crate) headers: Vec<(String, String)>,
}

impl Encoded {
    /// Length of the body and the headers.
    pub(crate) fn len(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Writes an envelope; `prefix` is what the broker's binding of CloudEvents puts before the name of an attribute.
pub(crate) fn encode(envelope: &Envelope, form: Form, prefix: &str) -> Result<Encoded, DeliveryError> {
    // What serialising failed with is the payload's own text, and may hold anything.
    let refused = || {
        DeliveryError::permanent(
            "the envelope cannot be written as a CloudEvent: its payload or one of its attributes is not valid",
        )
    };
    match form {
        Form::Structured => {
            let event = envelope.to_cloud_event().map_err(|_| refused())?;
            let body = serde_json::to_vec(&event).map_err(|_| refused())?;
            Ok(Encoded { body, content_type: CloudEvent::MEDIA_TYPE.into(), headers: Vec::new() })
        }
        Form::Binary => {
            // The headers are headers here, and need not stand in an attribute as well.
            let bare = envelope.clone().with_headers(Headers::default());
            let event = bare.to_cloud_event().map_err(|_| refused())?;
            let (body, content_type) = envelope.raw_payload().to_bytes().map_err(|_| refused())?;
            let attribute = |name: &str, value: &str| (format!("{prefix}{name}"), value.to_owned());
            let mut headers = vec![
                attribute("specversion", CloudEvent::SPEC_VERSION),
                attribute("id", event.id()),
                attribute("source", event.source()),
                attribute("type", event.event_type()),
            ];
            let optional = [
                ("subject", event.subject()),
                ("time", event.time_text()),
                ("dataschema", event.data_schema()),
            ];
            headers.extend(
                optional.iter().filter_map(|(name, value)| value.map(|value| attribute(name, value))),
            );
            headers.extend(event.extensions().map(|(name, value)| attribute(name, &text(value))));
            for (name, value) in envelope.headers().iter() {
                if !headers.iter().any(|(taken, _)| taken == name) {
                    headers.push((name.to_owned(), value.to_owned()));
                }
            }
            Ok(Encoded { body: body.to_vec(), content_type, headers })
        }
    }
}

fn text(value: &ExtensionValue) -> String {
    match value {
        ExtensionValue::Text(text) => text.clone(),
        ExtensionValue::Integer(number) => number.to_string(),
        ExtensionValue::Boolean(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_keep_the_id_and_the_headers() {
        let envelope = Envelope::bytes("Signed", "abc", "text/plain").with_header("x", "1").with_key("k");
        let structured = encode(&envelope, Form::Structured, "ce-").unwrap();
        let event = CloudEvent::from_json(&structured.body).unwrap();
        assert_eq!(Envelope::from_cloud_event(event).unwrap().headers().get("x"), Some("1"));

        let binary = encode(&envelope, Form::Binary, "ce-").unwrap();
        assert_eq!((&*binary.body, &*binary.content_type), (&b"abc"[..], "text/plain"));
        let header =
            |name: &str| binary.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value);
        assert_eq!(header("ce-id"), Some(&*envelope.id().to_string()));
        assert_eq!((header("ce-type"), header("x")), (Some("Signed"), Some("1")));
        assert_eq!(header("ce-partitionkey"), Some("k"));
    }
}
