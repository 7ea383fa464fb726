use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{IdempotencyKey, MessageType, Name, Priority};

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
}

impl QueuedMessage {
    /// The header with the message type.
    pub const TYPE_HEADER: &str = "x-message-type";
    /// The header with the id.
    pub const ID_HEADER: &str = "x-message-id";
    /// The header with the time of the dispatch: RFC 3339 in UTC, with milliseconds.
    pub const DISPATCHED_HEADER: &str = "x-dispatched-at";
}
