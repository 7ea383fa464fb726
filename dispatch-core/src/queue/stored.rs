use std::sync::Arc;
use std::time::SystemTime;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::{AttemptHistory, ErrorGroup, WorkerId};
use crate::messenger::{Name, QueuedMessage};

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageState {
    /// Behind another message of its ordering key.
    Waiting,
    /// To be handled as soon as it is due.
    Ready,
    /// Being worked on.
    Leased,
    /// Handled.
    Done,
    /// Given up before it was begun, since its time to live was over.
    Expired,
    /// Failed for good, until somebody replays or drops it.
    Failed,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Ready, Self::Leased, Self::Done, Self::Expired, Self::Failed];

    /// As it is written in logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// Whether it is still to be handled.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Ready | Self::Leased)
    }
}

/// A message with everything that its queue knows about it, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredMessage {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub state: MessageState,
    /// The queue that it is in.
    pub queue: Name,
    /// What it is and says.
    pub body: StoredBody,
    /// How often it was replayed.
    pub series: u32,
    /// Attempts of this series that were begun.
    pub attempts: u32,
    /// The number of its newest claim; 0 if nobody has ever claimed it.
    pub claim: u64,
    /// When it is due, or was; a retry has a later time than the message began with.
    #[serde(with = "crate::time::rfc3339_millis")]
    pub due_at: SystemTime,
    /// It was handed back until it is due, and is in front of its ordering key meanwhile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held_back: bool,
    /// Who works on it, and until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The attempts that did not succeed.
    pub history: AttemptHistory,
    /// The handlers that have succeeded in an attempt that did not succeed as a whole.
    pub succeeded: Vec<String>,
    /// When it was done, expired or failed.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::time::optional_millis")]
    pub settled_at: Option<SystemTime>,
    /// Of one that has failed: what its error has in common with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_group: Option<ErrorGroup>,
}

/// Who works on a message, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Who.
    pub worker: WorkerId,
    /// Since when.
    #[serde(with = "crate::time::rfc3339_millis")]
    pub since: SystemTime,
    /// Until when.
    #[serde(with = "crate::time::rfc3339_millis")]
    pub until: SystemTime,
}

/// What is stored of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum StoredBody {
    /// The message.
    Message(Arc<QueuedMessage>),
    /// Something that cannot be read as a message, byte for byte as it is stored. In JSON it is a text, or an object with
    /// `base64` where it is not UTF-8.
    Unreadable(#[serde(serialize_with = "text_or_base64")] Bytes),
}

fn text_or_base64<S: Serializer>(stored: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(text) = std::str::from_utf8(stored) {
        return serializer.serialize_str(text);
    }
    let mut members = serializer.serialize_map(Some(1))?;
    members.serialize_entry("base64", &Base64Display::new(stored, &STANDARD).to_string())?;
    members.end()
}

impl StoredMessage {
    /// A message that was stored just now.
    #[must_use]
    pub fn new(message: Arc<QueuedMessage>, state: MessageState) -> Self {
        Self {
            id: message.id,
            state,
            queue: message.queue.clone(),
            due_at: message.available_at,
            body: StoredBody::Message(message),
            series: 0,
            attempts: 0,
            claim: 0,
            held_back: false,
            lease: None,
            history: AttemptHistory::default(),
            succeeded: Vec::new(),
            settled_at: None,
            error_group: None,
        }
    }

    /// The message, if it can be read.
    #[must_use]
    pub fn message(&self) -> Option<&Arc<QueuedMessage>> {
        match &self.body {
            StoredBody::Message(message) => Some(message),
            StoredBody::Unreadable(_) => None,
        }
    }

    /// Whether others of its ordering key wait for it, however early they are due: it has begun, or was handed back until
    /// a time, and is not settled.
    #[must_use]
    pub const fn is_in_front(&self) -> bool {
        self.attempts > 0 || self.held_back
    }

    /// Whether its time to live was over before anybody began with it.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        let expires_at = self.message().and_then(|message| message.expires_at);
        self.attempts == 0 && self.series == 0 && expires_at.is_some_and(|at| at <= now)
    }

    /// What the newest attempt failed with.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.history.last().map(|attempt| attempt.error.as_str())
    }
}
