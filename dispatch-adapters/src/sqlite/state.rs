//! What of a log is in memory: small, whole, and only what was committed.
//!
//! - Only the writer changes it, after a commit and before it answers.
//! - A reader that finds a topic here finds its records in the database, unless they were trimmed since.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dispatch_core::Topic;
use dispatch_core::log::{LogBounds, LogError, StoredSubscription, Tails};

use super::record;

/// How far a topic reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TopicRow {
    pub(super) id: i64,
    pub(super) oldest: i64,
    pub(super) head: i64,
    /// The sizes of everything that was ever appended, added up.
    pub(super) total: i64,
    /// The latest time that anything was appended at.
    pub(super) latest: i64,
}

impl TopicRow {
    pub(super) fn bounds(&self) -> LogBounds {
        LogBounds { oldest: record::offset(self.oldest), head: record::offset(self.head) }
    }

    pub(super) fn sum(&self, name: &str) -> i64 {
        record::sum(&[self.id, self.oldest, self.head, self.total, self.latest], &[name.as_bytes()])
    }
}

/// Everything that was committed, but for the records themselves.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) topics: HashMap<Topic, TopicRow>,
    pub(super) subscriptions: BTreeMap<String, StoredSubscription>,
}

/// What the log and its threads share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    committed: Mutex<Committed>,
    pub(super) tails: Tails,
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(committed: Committed) -> Self {
        let shared = Self::default();
        for (topic, row) in &committed.topics {
            shared.tails.advance(topic, row.bounds().head);
        }
        *shared.committed() = committed;
        shared
    }

    pub(super) fn committed(&self) -> MutexGuard<'_, Committed> {
        // Nothing is half done when a holder panics: a commit is taken over in one step that cannot.
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn topic(&self, topic: &Topic) -> Option<TopicRow> {
        self.committed().topics.get(topic).copied()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// An error if the log was closed.
    pub(super) fn open(&self) -> Result<(), LogError> {
        if self.is_closed() { Err(LogError::Closed) } else { Ok(()) }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.tails.wake_all();
    }
}
