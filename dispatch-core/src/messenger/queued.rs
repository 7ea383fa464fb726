use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Carried, IdempotencyKey, MessageType, Name, Priority};
use crate::envelope::Envelope;
use crate::topic::{Category, Topic, TopicError};

/// A message as a transport stores it: one for each transport that it goes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueuedMessage {
    /// Its id, the same everywhere.
    pub id: Uuid,
    /// What all messages of one dispatch have in common.
    pub correlation_id: Uuid,
    /// What it is.
    pub message_type: MessageType,
    /// What it says.
    pub payload: Map<String, Value>,
    /// What goes with it.
    pub metadata: Map<String, Value>,
    /// Its headers, with [those](Self::TYPE_HEADER) that are set by themselves.
    pub headers: BTreeMap<String, String>,
    /// The transport that it goes to.
    pub transport: Name,
    /// The queue that it is in.
    pub queue: Name,
    /// How soon it is handled beside others that are due.
    pub priority: Priority,
    /// When it was to be due, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time::optional_millis")]
    pub scheduled_at: Option<SystemTime>,
    /// When it is due.
    #[serde(with = "crate::time::rfc3339_millis")]
    pub available_at: SystemTime,
    /// After this it is not begun any more.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time::optional_millis")]
    pub expires_at: Option<SystemTime>,
    /// What makes it one with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Messages with one ordering key are handled one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
    /// The topic on which it is dispatched to its handlers, if its type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    /// The rest of the envelope that was sent as this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
}

impl QueuedMessage {
    /// The header with the message type.
    pub const TYPE_HEADER: &str = "x-message-type";
    /// The header with the id.
    pub const ID_HEADER: &str = "x-message-id";
    /// The header with the number of the attempt, on what handlers get: the first is 1.
    pub const ATTEMPT_HEADER: &str = "x-message-attempt";
    /// The header with the number of the claim that a handler gets a message by: each attempt has another one.
    pub const CLAIM_HEADER: &str = "x-message-claim";
    /// The header with the time of the dispatch: RFC 3339 in UTC, with milliseconds.
    pub const DISPATCHED_HEADER: &str = "x-dispatched-at";
    /// The header with the topic that an envelope had before it was sent as a message.
    pub const TOPIC_HEADER: &str = "x-message-topic";
}

impl QueuedMessage {
    /// The message as an envelope for an engine: with its id, correlation, headers, metadata and payload. One that was an
    /// envelope before is that envelope again, with its own id, and a payload that was edited meanwhile.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let carried = self.carried.as_ref().and_then(|carried| carried.envelope(self));
        let mut envelope = match carried {
            Some((envelope, Some(topic))) => envelope.with_header(Self::TOPIC_HEADER, topic),
            Some((envelope, None)) => envelope,
            None => Envelope::json(self.message_type.as_str(), Value::Object(self.payload.clone()))
                .with_id(self.id)
                .with_correlation_id(self.correlation_id),
        };
        for (name, value) in &self.headers {
            envelope = envelope.with_header(name.as_str(), value.as_str());
        }
        for (name, value) in &self.metadata {
            envelope = envelope.with_metadata(name.as_str(), value.clone());
        }
        match &self.ordering_key {
            Some(key) => envelope.with_key(key.as_str()),
            None => envelope,
        }
    }

    /// The envelope that handlers get in an attempt.
    #[must_use]
    pub fn to_envelope_of(&self, attempt: u32, claim: u64) -> Envelope {
        self.to_envelope()
            .with_header(Self::ATTEMPT_HEADER, attempt.to_string())
            .with_header(Self::CLAIM_HEADER, claim.to_string())
    }

    /// When it was dispatched, if its header says so.
    pub(crate) fn dispatched_at(&self) -> Option<SystemTime> {
        let text = self.headers.get(Self::DISPATCHED_HEADER)?;
        text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
    }

    /// What is wrong with the topic on which it would be dispatched, if nothing else was said of its type.
    pub(super) fn topic_problem(&self) -> Option<String> {
        const WAY_OUT: &str =
            "name it otherwise, or give the type a topic of its own in 'topics' of the configuration";
        if self.topic.is_some() {
            return None;
        }
        match self.topic() {
            Err(error) => Some(format!("type '{}' makes no topic ({error}): {WAY_OUT}", self.message_type)),
            Ok(topic) if topic.category() != Some(Category::Command) => {
                Some(format!("'{topic}' would be the topic, and is not one of a command: {WAY_OUT}"))
            }
            Ok(_) => None,
        }
    }

    /// The message as one that was an envelope: with what it does not hold itself.
    #[must_use]
    pub fn carrying(mut self, carried: Carried) -> Self {
        self.carried = Some(carried);
        self
    }

    /// The topic on which a worker dispatches it: that of its type, or `messenger.<queue>.commands.<type>`.
    ///
    /// ```
    /// # use dispatch_core::messenger::{DispatchOptions, Message, MessengerConfig};
    /// let message = Message::new("App.SendMail", &serde_json::json!({}))?;
    /// let routing = MessengerConfig::default().check()?;
    /// let now = std::time::SystemTime::UNIX_EPOCH;
    /// let planned = routing.plan(&message, &DispatchOptions::default(), now, uuid::Uuid::now_v7)?;
    /// assert_eq!(planned[0].topic()?.as_str(), "messenger.default.commands.App.SendMail");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// For a type that makes no topic, such as one with two dots in a row.
    pub fn topic(&self) -> Result<Topic, TopicError> {
        if let Some(topic) = &self.topic {
            return Ok(topic.clone());
        }
        Topic::new(format!("messenger.{}.commands.{}", self.queue, self.message_type))
    }
}
