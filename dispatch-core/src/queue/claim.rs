use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{Attempt, AttemptHistory, Wakeup};
use crate::messenger::{Name, QueuedMessage};

/// Who works on messages: one for each worker that claims, wherever it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A worker of this name. Two that run at the same time must not have the same.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for WorkerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WorkerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Who wants how many messages, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who works on them.
    pub worker: WorkerId,
    /// The queues to take them from; those that are paused give nothing.
    pub queues: Vec<Name>,
    /// Most messages.
    pub max: usize,
    /// After this the messages are free for others, unless the lease is extended.
    pub lease: Duration,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// Messages that nobody else has, in the order in which they are to be handled.
    pub messages: Vec<Leased>,
    /// How many were found that had expired; they are not handled any more.
    pub expired: usize,
    /// How many were found that cannot be read; they have failed, and their bodies are kept as they are.
    pub unreadable: usize,
    /// Their ids; one that somebody else has given up at the same moment may be among them.
    pub unreadable_ids: Vec<Uuid>,
    /// If fewer were found than asked for: when the next one is due of those that are known by now. That may be now, if so
    /// many had expired that the claim did not come to the end of them.
    pub next_due: Option<SystemTime>,
    /// What to give to [`MessageQueue::wait`](super::MessageQueue::wait), so that nothing is missed that came since.
    pub seen: Wakeup,
}

/// A message that is being worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    /// What settles it.
    pub token: LeaseToken,
    /// The message.
    pub message: Arc<QueuedMessage>,
    /// How often it was replayed.
    pub series: u32,
    /// The number of this attempt in its series; the first is 1.
    pub attempt: u32,
    /// The attempts before.
    pub history: AttemptHistory,
    /// The handlers that have succeeded in an attempt before.
    pub succeeded: Vec<String>,
    /// When it was due; a retry has a later time than the message began with.
    pub due_at: SystemTime,
    /// When it was claimed, by the clock of the queue.
    pub claimed_at: SystemTime,
    /// Until when nobody else gets it, by the same clock.
    pub leased_until: SystemTime,
}

impl Leased {
    /// How long it had been due when it was claimed.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.claimed_at.duration_since(self.due_at).unwrap_or_default()
    }
}

/// The right to settle one claim of a message: a fencing token.
///
/// Claims are numbered, and only the newest of a message settles it. A worker that was slow, and whose message was
/// given to another one meanwhile, can change nothing about it any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseToken {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub worker: WorkerId,
    /// The number of the claim: no two of a queue have the same, and the later has the greater.
    pub claim: u64,
}

/// What became of a message that was worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which claim of which message.
    pub token: LeaseToken,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a message that was worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was handled.
    Done,
    /// It was not, and is to be tried again.
    Retry {
        /// Not before this time.
        at: SystemTime,
        /// What came of this attempt.
        attempt: Attempt,
        /// The handlers that have succeeded in this attempt or before.
        succeeded: Vec<String>,
    },
    /// It was not, and is not to be tried again.
    Failed {
        /// What came of this attempt.
        attempt: Attempt,
        /// The handlers that have succeeded in this attempt or before.
        succeeded: Vec<String>,
    },
    /// Nobody has begun with it: it is handed back, and no attempt is counted.
    Release {
        /// Not before this time, and nothing else of its ordering key before it. If absent, as if it had not been claimed.
        at: Option<SystemTime>,
    },
}

impl Settlement {
    /// The message was handled.
    #[must_use]
    pub const fn done(token: LeaseToken) -> Self {
        Self { token, outcome: Outcome::Done }
    }

    /// The message is handed back, as if it had not been claimed.
    #[must_use]
    pub const fn release(token: LeaseToken) -> Self {
        Self { token, outcome: Outcome::Release { at: None } }
    }
}
