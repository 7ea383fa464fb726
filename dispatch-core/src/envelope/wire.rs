//! The JSON form of an envelope.
//!
//! One object. `id` and `created_at` are required: an envelope that was made once is not made anew by whoever
//! reads it. Everything else is left out where it is absent, empty or zero, and an unknown member is refused.
//!
//! | member | holds |
//! |---|---|
//! | `id` | UUID |
//! | `topic`, `category` | the topic; `event`, `command` or `intent` |
//! | `message_type` | the explicit type, or the type name of a typed payload; left out where neither is there |
//! | `payload` | a JSON payload, or what a typed one serialises to; `null` is a payload, absence is none |
//! | `payload_base64` and `content_type` | the exact bytes of a bytes payload, also if they are JSON |
//! | `headers`, `metadata` | objects |
//! | `correlation_id`, `causation_id` | UUIDs |
//! | `trace` | a `traceparent` of W3C Trace Context |
//! | `source`, `subject`, `key` | texts |
//! | `created_at` | RFC 3339, to the nanosecond |
//! | `hops` | 0 to 65535 |
//!
//! What is read equals what was written, byte by byte for bytes. A typed payload comes back as JSON under the
//! same message type, and [`Envelope::cast`] makes it typed again.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;
use uuid::Uuid;

use super::model::Inner;
use super::{Envelope, Headers, Metadata, Payload, TraceContext};
use crate::ids::MessageType;
use crate::time::rfc3339;
use crate::topic::{Category, Topic};

#[derive(Serialize)]
struct Out<'a> {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a Topic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_type: Option<Cow<'a, MessageType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_base64")]
    payload_base64: Option<&'a [u8]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: &'a Headers,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceParent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(with = "rfc3339")]
    created_at: SystemTime,
    #[serde(skip_serializing_if = "is_zero")]
    hops: u16,
}

fn is_zero(hops: &u16) -> bool {
    *hops == 0
}

fn write_base64<S: Serializer>(data: &Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(data.unwrap_or_default(), &STANDARD))
}

/// A trace context as its `traceparent` text.
struct TraceParent(TraceContext);

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

impl<T> Serialize for Envelope<T> {
    /// Writes the envelope as one JSON object; a typed view is written like the untyped form.
    ///
    /// # Errors
    /// If a typed payload refuses to be serialised, or the time of creation is outside the years -9999 to 9999.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = self.inner();
        let (mut payload, mut data, mut content_type) = (None, None, None);
        match &inner.payload {
            Payload::Empty => {}
            Payload::Json(_) | Payload::Typed(_) => {
                payload = Some(inner.payload.to_json().map_err(ser::Error::custom)?);
            }
            Payload::Bytes { data: bytes, content_type: media_type } => {
                data = Some(&**bytes);
                content_type = Some(&**media_type);
            }
        }
        let type_name = || match &inner.payload {
            Payload::Typed(_) => Some(Cow::Owned(inner.payload.type_name())),
            _ => None,
        };
        Out {
            id: inner.id,
            topic: inner.topic.as_ref(),
            message_type: inner.message_type.as_ref().map(Cow::Borrowed).or_else(type_name),
            category: inner.category,
            payload,
            payload_base64: data,
            content_type,
            headers: &inner.headers,
            metadata: &inner.metadata,
            correlation_id: inner.correlation_id,
            causation_id: inner.causation_id,
            trace: inner.trace.map(TraceParent),
            source: inner.source.as_deref(),
            subject: inner.subject.as_deref(),
            key: inner.key.as_deref(),
            created_at: inner.created_at,
            hops: inner.hops,
        }
        .serialize(serializer)
    }
}

#[derive(Deserialize)]
#[serde(rename = "envelope", deny_unknown_fields)]
struct In {
    #[serde(deserialize_with = "read_id")]
    id: Uuid,
    topic: Option<Topic>,
    message_type: Option<MessageType>,
    category: Option<Category>,
    /// `null` is a value here, unlike in the other members.
    #[serde(default, deserialize_with = "read_present")]
    payload: Option<Value>,
    payload_base64: Option<String>,
    content_type: Option<Arc<str>>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default, deserialize_with = "read_optional_id")]
    correlation_id: Option<Uuid>,
    #[serde(default, deserialize_with = "read_optional_id")]
    causation_id: Option<Uuid>,
    trace: Option<TraceParent>,
    source: Option<Arc<str>>,
    subject: Option<Arc<str>>,
    key: Option<Arc<str>>,
    #[serde(deserialize_with = "read_created_at")]
    created_at: SystemTime,
    #[serde(default)]
    hops: u16,
}

fn read_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn parse_id<E: de::Error>(text: &str) -> Result<Uuid, E> {
    Uuid::try_parse(text).map_err(|error| E::custom(format_args!("an id is not a UUID: {error}")))
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    parse_id(&Cow::<'de, str>::deserialize(deserializer)?)
}

fn read_optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    Option::<Cow<'de, str>>::deserialize(deserializer)?.map(|text| parse_id(&text)).transpose()
}

fn read_created_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    let time: Result<_, D::Error> = rfc3339::deserialize((&*text).into_deserializer());
    time.map_err(|error| de::Error::custom(format_args!("created_at is not an RFC 3339 time: {error}")))
}

/// Why the members of a payload do not make one.
#[derive(Debug, thiserror::Error)]
enum BadPayload {
    #[error("payload and payload_base64 exclude each other: give one of them")]
    Both,
    #[error("payload_base64 needs content_type: give the media type of the bytes")]
    NoContentType,
    #[error("content_type belongs to payload_base64 alone: leave it out")]
    LooseContentType,
    #[error("payload_base64 is not Base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

fn read_payload(
    json: Option<Value>,
    base64: Option<String>,
    content_type: Option<Arc<str>>,
) -> Result<Payload, BadPayload> {
    match (json, base64, content_type) {
        (None, None, None) => Ok(Payload::Empty),
        (Some(value), None, None) => Ok(Payload::Json(Arc::new(value))),
        (None, Some(text), Some(content_type)) => Ok(Payload::bytes(STANDARD.decode(text)?, content_type)),
        (Some(_), Some(_), _) => Err(BadPayload::Both),
        (None, Some(_), None) => Err(BadPayload::NoContentType),
        (_, None, Some(_)) => Err(BadPayload::LooseContentType),
    }
}

impl<'de> Deserialize<'de> for Envelope {
    /// Reads what [`Envelope`] writes.
    ///
    /// # Errors
    /// If a required member is missing, a member is unknown or given twice, or a value is not what it must be.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = In::deserialize(deserializer)?;
        let payload =
            read_payload(read.payload, read.payload_base64, read.content_type).map_err(de::Error::custom)?;
        Ok(Self::from_inner(Inner {
            id: read.id,
            message_type: read.message_type,
            category: read.category,
            payload,
            headers: read.headers,
            metadata: read.metadata,
            correlation_id: read.correlation_id,
            causation_id: read.causation_id,
            trace: read.trace.map(|trace| trace.0),
            source: read.source,
            subject: read.subject,
            key: read.key,
            topic: read.topic,
            created_at: read.created_at,
            hops: read.hops,
        }))
    }
}
