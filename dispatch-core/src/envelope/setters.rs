//! Changing an envelope: the description is copied if it is shared, the payload never.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use uuid::Uuid;

use super::{Envelope, Headers, TraceContext};
use crate::ids::MessageType;
use crate::topic::{Category, Topic};

impl<T> Envelope<T> {
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
    #[inline]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Payload;

    #[test]
    fn a_setter_does_not_change_the_other_clone() {
        let a = Envelope::json("A", Value::from(1));
        let b = a.clone().with_message_type("B");
        assert_eq!((a.message_type().as_str(), b.message_type().as_str()), ("A", "B"));
        assert_eq!(a.id(), b.id());
    }

    #[test]
    fn setting_the_same_topic_copies_nothing() {
        let topic = Topic::new("a.events").unwrap();
        let a = Envelope::new(Payload::Empty).with_topic(&topic);
        let b = a.clone().with_topic(&topic);
        assert!(Arc::ptr_eq(&a.inner, &b.inner));
    }
}
