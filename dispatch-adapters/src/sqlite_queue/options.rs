use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::Name;
use dispatch_core::time::{Clock, SystemClock};

/// What SQLite can hold in one row, with room for what is beside the message.
const MOST_MESSAGE_BYTES: usize = 512 * 1024 * 1024;

/// Where a [`SqliteQueue`](super::SqliteQueue) is, and what it promises.
///
/// ```
/// use dispatch_adapters::sqlite_queue::SqliteQueueOptions;
///
/// let mut options = SqliteQueueOptions::new("/var/lib/shop/queue.db");
/// assert!(options.problems().is_empty());
/// options.per_key = 0;
/// assert_eq!(options.problems()[0].message(), "queue: per_key is 0: use at least 1");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteQueueOptions {
    /// The file of the database; it is made if it is not there, with its folder. It may hold other tables, and several
    /// processes may use it at a time.
    pub path: PathBuf,
    /// The name of the transport.
    pub transport: String,
    /// When a message is acknowledged: `Always` or `Os`.
    pub sync: SyncPolicy,
    /// Most messages of one ordering key that have begun and are not settled.
    pub per_key: usize,
    /// How long messages are kept that are done or have expired; with zero they are not kept.
    pub keep_done: Duration,
    /// Most bytes of a message as it is stored.
    pub max_message_bytes: usize,
    /// Most bytes of the database; more is refused as [`Full`](dispatch_core::queue::QueueError::Full). `None` leaves it
    /// to the disk.
    pub max_bytes: Option<u64>,
    /// The clock that decides what is due.
    pub clock: Arc<dyn Clock>,
}

impl SqliteQueueOptions {
    /// The transport `default` in a file, which acknowledges what was flushed to disk.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            transport: "default".to_owned(),
            sync: SyncPolicy::Always,
            per_key: 1,
            keep_done: Duration::ZERO,
            max_message_bytes: 16 * 1024 * 1024,
            max_bytes: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the name of the transport.
    #[must_use]
    pub fn with_transport(mut self, name: impl Into<String>) -> Self {
        self.transport = name.into();
        self
    }

    /// Sets when a message is acknowledged.
    #[must_use]
    pub const fn with_sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// Sets how many messages of one ordering key are handled at a time.
    #[must_use]
    pub const fn with_per_key(mut self, per_key: usize) -> Self {
        self.per_key = per_key;
        self
    }

    /// Keeps messages for a while that are done or have expired.
    #[must_use]
    pub const fn keeping_done(mut self, time: Duration) -> Self {
        self.keep_done = time;
        self
    }

    /// Sets the most bytes of a message.
    #[must_use]
    pub const fn with_max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets the most bytes of the database.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Everything that is wrong with it, sorted.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = Name::new(&self.transport) {
            problems.extend(error.problems().iter().map(|text| format!("transport: {text}")));
        }
        if !matches!(self.sync, SyncPolicy::Always | SyncPolicy::Os) {
            problems.push(format!("sync is '{}': use always or os", self.sync));
        }
        if self.per_key == 0 {
            problems.push("per_key is 0: use at least 1".to_owned());
        }
        if !(1..=MOST_MESSAGE_BYTES).contains(&self.max_message_bytes) {
            problems.push(format!(
                "max_message_bytes is {}: use 1 to {MOST_MESSAGE_BYTES}",
                self.max_message_bytes
            ));
        }
        if self.max_bytes == Some(0) {
            problems.push("max_bytes is 0, so nothing would fit: use more, or leave it out".to_owned());
        }
        problems.sort();
        let problem = |text| Problem::new(ErrorCode::InvalidParameter, format!("queue: {text}"));
        problems.into_iter().map(problem).collect()
    }
}

impl fmt::Debug for SqliteQueueOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueueOptions")
            .field("path", &self.path)
            .field("transport", &self.transport)
            .field("sync", &self.sync)
            .field("per_key", &self.per_key)
            .field("keep_done", &self.keep_done)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
