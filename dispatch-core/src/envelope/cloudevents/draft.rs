//! The event that the fields of an envelope make, before metadata and kept values are added.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::event::{CloudEvent, EventData};
use super::meaning::Exact;
use super::time::EventTime;
use super::{CloudEventError, ExtensionValue, NO_SOURCE, name};
use crate::envelope::Payload;
use crate::envelope::model::Inner;
use crate::topic::{Category, Topic};

/// Media type of bytes whose own is empty.
const UNKNOWN_CONTENT: &str = "application/octet-stream";

pub(super) struct Draft {
    pub(super) event: CloudEvent,
    pub(super) exact: Exact,
}

impl Draft {
    /// Makes the event; its time is absent if RFC 3339 cannot write it.
    pub(super) fn of(envelope: &Inner) -> Result<Self, CloudEventError> {
        let mut exact = Exact::default();
        let (data, data_content_type) = data(&envelope.payload, &mut exact)?;
        let message_type = match &envelope.message_type {
            Some(message_type) => message_type.as_str(),
            None => envelope.payload.type_name_str(),
        };
        let mut draft = Self {
            event: CloudEvent {
                id: envelope.id.to_string(),
                source: source(envelope.source.as_ref(), &mut exact),
                event_type: message_type.to_owned(),
                subject: present(envelope.subject.as_ref(), &mut exact.subject),
                time: EventTime::of(envelope.created_at),
                data_content_type,
                data_schema: None,
                extensions: BTreeMap::new(),
                data,
            },
            exact,
        };
        let key = present(envelope.key.as_ref(), &mut draft.exact.key);
        draft.set(name::KEY, key);
        draft.set(name::TRACE, envelope.trace.map(|trace| trace.to_string()));
        draft.set(name::CORRELATION, envelope.correlation_id.map(|id| id.to_string()));
        draft.set(name::CAUSATION, envelope.causation_id.map(|id| id.to_string()));
        draft.set(name::TOPIC, envelope.topic.as_ref().map(Topic::as_str));
        draft.set(name::CATEGORY, envelope.category.map(Category::as_str));
        draft.set(name::HOPS, (envelope.hops > 0).then(|| i32::from(envelope.hops)));
        if !envelope.headers.is_empty() {
            draft.set(name::HEADERS, Some(json_text(&envelope.headers)?));
        }
        Ok(draft)
    }

    fn set(&mut self, name: &str, value: Option<impl Into<ExtensionValue>>) {
        if let Some(value) = value {
            self.event.extensions.insert(name.to_owned(), value.into());
        }
    }

    /// Writes a source as it is, also if it is not a URI.
    pub(super) fn write_source_as_it_is(&mut self, source: &str) {
        source.clone_into(&mut self.event.source);
        self.exact.source = None;
    }

    /// The event, with the texts that its attributes cannot hold.
    pub(super) fn finish(mut self) -> Result<CloudEvent, CloudEventError> {
        if self.exact != Exact::default() {
            let text = json_text(&self.exact)?;
            self.set(name::EXACT, Some(text));
        }
        Ok(self.event)
    }
}

pub(super) fn json_text(value: &impl serde::Serialize) -> Result<String, CloudEventError> {
    serde_json::to_string(value).map_err(CloudEventError::Json)
}

/// The text for an attribute, which cannot be empty.
fn present(text: Option<&Arc<str>>, exact: &mut Option<Arc<str>>) -> Option<String> {
    match text {
        Some(text) if text.is_empty() => {
            *exact = Some(Arc::clone(text));
            None
        }
        other => other.map(ToString::to_string),
    }
}

fn source(source: Option<&Arc<str>>, exact: &mut Exact) -> String {
    let Some(text) = source else { return NO_SOURCE.to_owned() };
    let blank = text.trim().is_empty();
    let written = if blank { NO_SOURCE.to_owned() } else { uri_reference(text) };
    if written != **text || **text == *NO_SOURCE {
        exact.source = Some(Arc::clone(text));
    }
    written
}

/// Percent-encodes what RFC 3986 does not allow in a URI reference.
fn uri_reference(text: &str) -> String {
    let mut uri = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let mut following = rest.as_str().bytes();
        let allowed = match character {
            '%' => (0..2).all(|_| following.next().is_some_and(|byte| byte.is_ascii_hexdigit())),
            _ => character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=".contains(character),
        };
        if allowed {
            uri.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

type Data = (Option<EventData>, Option<String>);

fn data(payload: &Payload, exact: &mut Exact) -> Result<Data, CloudEventError> {
    let json = |value: Arc<Value>| (Some(EventData::Json(value)), Some(Payload::JSON.to_owned()));
    Ok(match payload {
        Payload::Empty => (None, None),
        Payload::Json(value) => json(Arc::clone(value)),
        Payload::Typed(_) => json(Arc::new(payload.to_json()?.into_owned())),
        Payload::Bytes { data, content_type } => {
            let content_type = present(Some(content_type), &mut exact.content_type);
            let content_type = content_type.unwrap_or_else(|| UNKNOWN_CONTENT.to_owned());
            (Some(EventData::Binary(data.clone())), Some(content_type))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_a_uri_reference() {
        for (text, uri) in [
            ("https://a.example/b?c=d#e", "https://a.example/b?c=d#e"),
            ("/a%20b", "/a%20b"),
            ("100%", "100%25"),
            ("my service", "my%20service"),
            ("\u{e9}", "%C3%A9"),
        ] {
            assert_eq!(uri_reference(text), uri);
        }
    }
}
