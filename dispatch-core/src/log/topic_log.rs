use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Cursor, LogEntry, LogError, LogRecord, Offset, StoredSubscription, SyncPolicy, TopicUsage};
use crate::delivery::DeadLetter;
use crate::topic::Topic;

/// A durable log of topics, and of how far subscriptions have come in them.
///
/// # Contract
/// - Offsets of a topic are 0, 1, 2 … without gaps; an offset is never given twice, also after a restart and after
///   everything was trimmed. One writer's appends get ascending offsets.
/// - `append` answers `Ok` when the [sync policy](Self::sync_policy) is met, and then the records survive what that
///   policy says. After an error they may or may not be there; a bus that tries again may store them twice.
/// - `read` returns what was appended or a named error, never anything else.
/// - Everything that was saved about a subscription survives the same as a record does.
/// - Dropping a future leaves the log usable; what it was about may or may not have been done.
///
/// `log::conformance` (feature `conformance`) checks all of it.
#[async_trait]
pub trait TopicLog: Send + Sync + 'static {
    /// What logs, metrics and errors call it.
    fn name(&self) -> &str;

    /// When an append is acknowledged.
    fn sync_policy(&self) -> SyncPolicy;

    /// Whether somebody else may append to it as well, so that a bus has to look for new records.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether it recognises an envelope that a topic has, and answers its append with the offset that it has there.
    fn deduplicates(&self) -> bool {
        false
    }

    /// Appends entries to a topic, which exists from then on; one offset per entry, in order.
    ///
    /// # Errors
    /// [`LogError`]. The entries of one call are all stored or none is, unless the log documents otherwise.
    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError>;

    /// Reads records in order, beginning at `from`, or at the oldest record if that was trimmed.
    ///
    /// It returns as soon as it has something, and nothing if there is nothing: it does not wait for appends.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if the first record is; records before a damaged one are returned without an error.
    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError>;

    /// From where to where a topic reaches; an unknown topic is empty.
    ///
    /// # Errors
    /// [`LogError`].
    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError>;

    /// Every topic that something was ever appended to, sorted.
    ///
    /// # Errors
    /// [`LogError`].
    async fn topics(&self) -> Result<Vec<Topic>, LogError>;

    /// Waits until the head of a topic is past `seen`, and returns it.
    ///
    /// It may be late, and it may miss an append altogether when the log is written by others: readers look for
    /// themselves now and then.
    ///
    /// # Errors
    /// [`LogError`].
    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError>;

    /// The first kept record that was appended at a time or later; the head if there is none.
    ///
    /// # Errors
    /// [`LogError`].
    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError>;

    /// How much a topic holds.
    ///
    /// # Errors
    /// [`LogError`].
    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError>;

    /// The lowest offset from which the newest records have at most so many bytes together, as
    /// [`usage`](Self::usage) counts them.
    ///
    /// # Errors
    /// [`LogError`].
    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError>;

    /// Removes records below an offset; the bounds afterwards. Cursors are not looked at.
    ///
    /// # Errors
    /// [`LogError`].
    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError>;

    /// Stores a subscription and its cursors, or more cursors for one that is there.
    ///
    /// Cursors of the same topic are replaced; others stay. The definition is replaced. No cursor may be past the head
    /// of its topic: a log that is opened and finds one says [`LogError::EndsBelowCursor`].
    ///
    /// # Errors
    /// [`LogError`].
    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError>;

    /// Moves the cursors of a subscription that is there. One that is not is left alone.
    ///
    /// # Errors
    /// [`LogError`].
    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError>;

    /// What is stored about a subscription.
    ///
    /// # Errors
    /// [`LogError`].
    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError>;

    /// The names of all subscriptions, sorted.
    ///
    /// # Errors
    /// [`LogError`].
    async fn subscriptions(&self) -> Result<Vec<String>, LogError>;

    /// Forgets a subscription, its cursors and what it parked.
    ///
    /// # Errors
    /// [`LogError`].
    async fn remove(&self, subscription: &str) -> Result<(), LogError>;

    /// The lowest cursor of any subscription in a topic; nothing may be trimmed past it unless it is forced.
    ///
    /// # Errors
    /// [`LogError`].
    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError>;

    /// Keeps messages beside a subscription until a person has looked at them. One with an id that is there already
    /// replaces it.
    ///
    /// # Errors
    /// [`LogError`].
    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError>;

    /// Parked messages in the order of their ids, those after `after`, at most `max`.
    ///
    /// # Errors
    /// [`LogError`].
    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError>;

    /// How many messages a subscription has parked.
    ///
    /// # Errors
    /// [`LogError`].
    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError>;

    /// Forgets parked messages; how many of them there were.
    ///
    /// # Errors
    /// [`LogError`].
    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError>;

    /// Writes what is still in memory and gives up files and locks. Everything else is refused from then on.
    ///
    /// # Errors
    /// [`LogError`].
    async fn close(&self) -> Result<(), LogError>;
}

/// From where to where a topic reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// The oldest record that is kept; the head if there is none.
    pub oldest: Offset,
    /// The next offset to be assigned.
    pub head: Offset,
}

impl LogBounds {
    /// How many records are kept.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.head.since(self.oldest)
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The most that one read returns; at least one record, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// So many records.
    pub records: usize,
    /// So many bytes, as the log stores them.
    pub bytes: usize,
}

impl ReadLimit {
    /// So many records, of at most 16 MiB together.
    #[must_use]
    pub const fn records(records: usize) -> Self {
        Self { records, bytes: 16 * 1024 * 1024 }
    }
}

/// What a read has found.
#[derive(Debug, Clone, Default)]
pub struct LogRead {
    /// Records in order, without gaps. The first is the one asked for, unless that was trimmed.
    pub records: Vec<LogRecord>,
    /// How far the topic reached when it was read.
    pub bounds: LogBounds,
}
