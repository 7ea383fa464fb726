use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Headers, Metadata, Payload, TraceContext};
use crate::ids::MessageType;
use crate::topic::{Category, Topic};

/// What travels: a payload and what is known about it.
///
/// One type serves the engine, deliveries, subscriptions and background messages. A clone is one reference
/// count (two for a typed view); the payload is never copied. Setters change this envelope only: they copy
/// the description (not the payload) if it is shared.
///
/// `Envelope` alone is the form that everything passes around; `Envelope<T>` is a view for handlers that know
/// the type of their payload, made by [`Envelope::cast`].
///
/// ```
/// use dispatch_core::Envelope;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct OrderPlaced { id: u32 }
///
/// let envelope = Envelope::typed(OrderPlaced { id: 7 }).with_key("customer-1");
/// assert_eq!(envelope.message_type().as_str(), "OrderPlaced");
///
/// let order: Envelope<OrderPlaced> = envelope.cast()?;
/// assert_eq!(order.payload().id, 7);
/// # Ok::<(), dispatch_core::PayloadMismatch>(())
/// ```
pub struct Envelope<T = Untyped> {
    pub(super) inner: Arc<Inner>,
    /// Present in every typed view, absent in the untyped form.
    pub(super) body: Option<Arc<T>>,
}

/// Marks an [`Envelope`] whose payload has not been looked at.
#[derive(Debug)]
pub enum Untyped {}

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) id: Uuid,
    pub(super) message_type: Option<MessageType>,
    pub(super) category: Option<Category>,
    pub(super) payload: Payload,
    pub(super) headers: Headers,
    pub(super) metadata: Metadata,
    pub(super) correlation_id: Option<Uuid>,
    pub(super) causation_id: Option<Uuid>,
    pub(super) trace: Option<TraceContext>,
    pub(super) source: Option<Arc<str>>,
    pub(super) subject: Option<Arc<str>>,
    pub(super) key: Option<Arc<str>>,
    pub(super) topic: Option<Topic>,
    pub(super) created_at: SystemTime,
    pub(super) hops: u16,
}

impl Envelope {
    /// Wraps a payload: a new UUID v7, made now, everything else absent.
    pub fn new(payload: impl Into<Payload>) -> Self {
        Self::made(Uuid::now_v7(), SystemTime::now(), payload.into())
    }

    /// Wraps a payload under an id, everything else absent.
    pub(crate) fn made(id: Uuid, created_at: SystemTime, payload: Payload) -> Self {
        Self::from_inner(Inner {
            id,
            message_type: None,
            category: None,
            payload,
            headers: Headers::default(),
            metadata: Metadata::default(),
            correlation_id: None,
            causation_id: None,
            trace: None,
            source: None,
            subject: None,
            key: None,
            topic: None,
            created_at,
            hops: 0,
        })
    }

    /// Wraps a value of the program's own; it is serialised only where it leaves the process.
    pub fn typed<T: Serialize + Send + Sync + 'static>(value: T) -> Self {
        Self::new(Payload::typed(value))
    }

    /// An envelope without a payload, under a message type.
    #[must_use]
    pub fn empty(message_type: impl AsRef<str>) -> Self {
        Self::new(Payload::Empty).with_message_type(message_type)
    }

    /// Wraps a JSON value under a message type.
    #[must_use]
    pub fn json(message_type: impl AsRef<str>, value: Value) -> Self {
        Self::new(Payload::json(value)).with_message_type(message_type)
    }

    /// Wraps bytes of a media type under a message type.
    pub fn bytes(
        message_type: impl AsRef<str>,
        data: impl Into<Bytes>,
        content_type: impl Into<Arc<str>>,
    ) -> Self {
        Self::new(Payload::bytes(data, content_type)).with_message_type(message_type)
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), body: None }
    }

    /// The payload as it was given.
    #[must_use]
    pub fn raw_payload(&self) -> &Payload {
        &self.inner.payload
    }
}

impl<T> Envelope<T> {
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(super) fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.inner)
    }

    /// Unique id of this envelope.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.inner.id
    }

    /// The explicit message type, or else the payload's type name.
    #[must_use]
    pub fn message_type(&self) -> MessageType {
        self.inner.message_type.clone().unwrap_or_else(|| self.inner.payload.type_name())
    }

    /// The explicit message type, or else the payload's type name, as text.
    #[must_use]
    pub fn message_type_str(&self) -> &str {
        match &self.inner.message_type {
            Some(message_type) => message_type.as_str(),
            None => self.inner.payload.type_name_str(),
        }
    }

    /// The category the sender claims; it must agree with the topic's.
    #[must_use]
    pub fn category(&self) -> Option<Category> {
        self.inner.category
    }

    /// Text headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.inner.headers
    }

    /// Structured data beside the payload.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// Id shared by everything that belongs to one conversation.
    #[must_use]
    pub fn correlation_id(&self) -> Option<Uuid> {
        self.inner.correlation_id
    }

    /// Id of the envelope that caused this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<Uuid> {
        self.inner.causation_id
    }

    /// Trace that this envelope belongs to.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.inner.trace
    }

    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.inner.source.as_deref()
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.inner.subject.as_deref()
    }

    /// Ordering and partition key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.key.as_deref()
    }

    /// The topic it was dispatched on, or asks to be.
    #[must_use]
    pub fn topic(&self) -> Option<&Topic> {
        self.inner.topic.as_ref()
    }

    /// When it was made.
    #[must_use]
    pub fn created_at(&self) -> SystemTime {
        self.inner.created_at
    }

    /// How many dispatches led to this one: 0 for an envelope from outside.
    #[must_use]
    pub fn hops(&self) -> u16 {
        self.inner.hops
    }
}

impl<T> Clone for Envelope<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), body: self.body.clone() }
    }
}

impl<T> fmt::Debug for Envelope<T> {
    /// Shows ids, topic and type, never payload, header or metadata values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("id", &self.inner.id)
            .field("topic", &self.inner.topic)
            .field("message_type", &self.message_type())
            .field("payload", &self.inner.payload)
            .field("headers", &self.inner.headers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_type_falls_back_to_the_payload() {
        assert_eq!(Envelope::json("  ", Value::from(1)).message_type().as_str(), "json");
        assert_eq!(Envelope::new(Payload::Empty).message_type().as_str(), "empty");
    }

    #[test]
    fn debug_shows_no_values() {
        let envelope = Envelope::json("A", Value::from("s3cret")).with_header("authorization", "s3cret");
        assert!(!format!("{envelope:?}").contains("s3cret"));
    }
}
