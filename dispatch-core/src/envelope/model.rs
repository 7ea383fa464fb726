use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::{Headers, Metadata, Payload, PayloadMismatch, TraceContext};
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
    inner: Arc<Inner>,
    /// Present in every typed view, absent in the untyped form.
    body: Option<Arc<T>>,
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
        Self::from_inner(Inner {
            id: Uuid::now_v7(),
            message_type: None,
            category: None,
            payload: payload.into(),
            headers: Headers::default(),
            metadata: Metadata::default(),
            correlation_id: None,
            causation_id: None,
            trace: None,
            source: None,
            subject: None,
            key: None,
            topic: None,
            created_at: SystemTime::now(),
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

    /// A view whose payload is a `T`: the same shared value if it has this type, else decoded from JSON.
    ///
    /// # Errors
    /// [`PayloadMismatch`] if the payload is neither.
    pub fn cast<T: DeserializeOwned + Send + Sync + 'static>(self) -> Result<Envelope<T>, PayloadMismatch> {
        let body = self.inner.payload.decode()?;
        Ok(Envelope { inner: self.inner, body: Some(body) })
    }
}

impl<T> Envelope<T> {
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.inner)
    }

    /// The same envelope without the typed view.
    #[must_use]
    pub fn untyped(&self) -> Envelope {
        Envelope { inner: Arc::clone(&self.inner), body: None }
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

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.edit().id = id;
        self
    }

    /// Sets the message type; white space around it is dropped, a blank one means none.
    #[must_use]
    pub fn with_message_type(mut self, message_type: impl AsRef<str>) -> Self {
        self.edit().message_type = MessageType::new(message_type);
        self
    }

    /// Sets the category that the topic must agree with.
    #[must_use]
    pub fn with_category(mut self, category: Category) -> Self {
        self.edit().category = Some(category);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit().headers.insert(name, value);
        self
    }

    /// Replaces all headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.edit().headers = headers;
        self
    }

    /// Adds a metadata value.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.edit().metadata.insert(key, value);
        self
    }

    /// Sets the correlation id.
    #[must_use]
    pub fn with_correlation_id(mut self, id: Uuid) -> Self {
        self.edit().correlation_id = Some(id);
        self
    }

    /// Sets the causation id.
    #[must_use]
    pub fn with_causation_id(mut self, id: Uuid) -> Self {
        self.edit().causation_id = Some(id);
        self
    }

    /// Sets the trace context.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.edit().trace = Some(trace);
        self
    }

    /// Sets the source.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.edit().source = Some(source.into());
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.edit().subject = Some(subject.into());
        self
    }

    /// Sets the ordering and partition key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.edit().key = Some(key.into());
        self
    }

    /// Sets the topic; nothing is copied if it has this one already.
    #[must_use]
    pub fn with_topic(mut self, topic: &Topic) -> Self {
        self.set_topic(topic);
        self
    }

    /// Sets the topic in place; nothing is copied if it has this one already.
    pub fn set_topic(&mut self, topic: &Topic) {
        if self.inner.topic.as_ref() != Some(topic) {
            self.edit().topic = Some(topic.clone());
        }
    }

    /// Sets when it was made.
    #[must_use]
    pub fn with_created_at(mut self, created_at: SystemTime) -> Self {
        self.edit().created_at = created_at;
        self
    }

    /// Sets how many dispatches led to this one.
    #[must_use]
    pub fn with_hops(mut self, hops: u16) -> Self {
        self.edit().hops = hops;
        self
    }
}

impl<T> Envelope<T>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    /// The payload of a typed view.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a typed view is only made by cast(), which fills the body")]
    pub fn payload(&self) -> &T {
        self.body.as_deref().expect("a typed view carries its payload")
    }

    /// The payload of a typed view, shared.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a typed view is only made by cast(), which fills the body")]
    pub fn shared_payload(&self) -> Arc<T> {
        self.body.clone().expect("a typed view carries its payload")
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
    fn a_setter_does_not_change_the_other_clone() {
        let a = Envelope::json("A", Value::from(1));
        let b = a.clone().with_message_type("B");
        assert_eq!((a.message_type().as_str(), b.message_type().as_str()), ("A", "B"));
        assert_eq!(a.id(), b.id());
    }

    #[test]
    fn a_blank_type_falls_back_to_the_payload() {
        assert_eq!(Envelope::json("  ", Value::from(1)).message_type().as_str(), "json");
        assert_eq!(Envelope::new(Payload::Empty).message_type().as_str(), "empty");
    }

    #[test]
    fn setting_the_same_topic_copies_nothing() {
        let topic = Topic::new("a.events").unwrap();
        let a = Envelope::new(Payload::Empty).with_topic(&topic);
        let b = a.clone().with_topic(&topic);
        assert!(Arc::ptr_eq(&a.inner, &b.inner));
    }

    #[test]
    fn debug_shows_no_values() {
        let envelope = Envelope::json("A", Value::from("s3cret")).with_header("authorization", "s3cret");
        assert!(!format!("{envelope:?}").contains("s3cret"));
    }
}
