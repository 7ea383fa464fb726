use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Idempotency, MessengerError, MessengerErrorCode};

/// How one message is sent. What is left out follows from the route of its type, its transport, and the configuration.
///
/// The values are as they were given; [`Routing::plan`](super::Routing::plan) checks them, all at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DispatchOptions {
    /// The transports, whatever the route of the type says; absent follows the route.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_many")]
    pub transports: Option<Vec<String>>,
    /// The queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// 1 to 10, higher first. Where it is given it is a whole number, and not `null`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub priority: Option<i64>,
    /// Not before this time; one in the past is due now.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::time::optional_millis")]
    pub scheduled_at: Option<SystemTime>,
    /// Not before this much later; in milliseconds where it is serialised. Excludes `scheduled_at`.
    #[serde(
        rename = "delay_ms",
        skip_serializing_if = "Option::is_none",
        with = "crate::config::optional_millis"
    )]
    pub delay: Option<Duration>,
    /// What makes two sends one, within the window of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Where the key comes from if there is none here, unless it is as for the transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// What happens to the second one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Headers; those that are set by themselves win over them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Metadata, over that of the message, member by member.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// A message that has not begun after this is dropped; in milliseconds where it is serialised.
    #[serde(
        rename = "ttl_ms",
        skip_serializing_if = "Option::is_none",
        with = "crate::config::optional_millis"
    )]
    pub ttl: Option<Duration>,
    /// Messages with one ordering key are handled one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordering_key: Option<String>,
}

/// What happens to a message whose key is stored already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// It is not stored; the answer is the id of the first.
    #[default]
    ReturnExisting,
    /// It is an error.
    Reject,
    /// It takes the place of the first, if that has not begun.
    Replace,
}

impl DispatchOptions {
    /// Reads options from JSON.
    ///
    /// # Errors
    /// What is wrong with them, without any of their values.
    pub fn from_value(value: &Value) -> Result<Self, MessengerError> {
        Self::deserialize(value).map_err(|error| {
            // Texts of serde quote what they found; the place is all that may be told.
            let text = error.to_string();
            let told = text.split(['`', '"']).nth(1).filter(|_| text.starts_with("unknown field"));
            let problem = match told {
                Some(name) => format!("option '{}' is unknown", super::name::shown(name)),
                None => "an option has a value of the wrong type".to_owned(),
            };
            MessengerError::new(MessengerErrorCode::MessageValidation, problem)
        })
    }

    /// Sends to these transports.
    #[must_use]
    pub fn with_transports<T: Into<String>>(mut self, transports: impl IntoIterator<Item = T>) -> Self {
        self.transports = Some(transports.into_iter().map(Into::into).collect());
        self
    }

    /// Puts it into a queue.
    #[must_use]
    pub fn with_queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Gives it a priority, 1 to 10.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Not before this time.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.scheduled_at = Some(time);
        self
    }

    /// Not before this much later.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Handled one after the other with every other of this key.
    #[must_use]
    pub fn with_ordering_key(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// Dropped if it has not begun this long after it was due.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Makes it one with every other of this key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// A number that is there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

/// One text or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Some {
        One(String),
        Many(Vec<String>),
    }

    Ok(Option::<Some>::deserialize(deserializer)?.map(|some| match some {
        Some::One(one) => vec![one],
        Some::Many(many) => many,
    }))
}
