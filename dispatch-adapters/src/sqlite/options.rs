use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dispatch_core::log::SyncPolicy;
use dispatch_core::time::{Clock, SystemClock};

/// Where a [`SqliteLog`](super::SqliteLog) is, and what it promises.
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteLogOptions {
    /// The folder that holds it; it is made if it is not there, and belongs to one log.
    pub folder: PathBuf,
    /// When an append is acknowledged: `Always`, `Interval` or `Os`.
    pub sync: SyncPolicy,
    /// What logs, metrics and errors call it.
    pub name: String,
    /// Most bytes of an entry as it is stored.
    pub max_entry_bytes: usize,
    /// Most bytes of the database; more is refused as [`Full`](dispatch_core::log::LogError::Full). `None` leaves it to
    /// the disk.
    pub max_bytes: Option<u64>,
    /// Sets cursors that are past the end of their topic back to it, instead of refusing to open. What is missing is
    /// missing; this says that it is known.
    pub lower_cursors: bool,
    /// Threads that read.
    pub readers: usize,
    /// The clock that appends are stamped with.
    pub clock: Arc<dyn Clock>,
}

impl SqliteLogOptions {
    /// A log in a folder that acknowledges what was flushed to disk.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            sync: SyncPolicy::Always,
            name: "sqlite".to_owned(),
            max_entry_bytes: 16 * 1024 * 1024,
            max_bytes: None,
            lower_cursors: false,
            readers: 2,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets when an append is acknowledged.
    #[must_use]
    pub const fn with_sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// Sets what logs, metrics and errors call it.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the most bytes of an entry.
    #[must_use]
    pub const fn with_max_entry_bytes(mut self, bytes: usize) -> Self {
        self.max_entry_bytes = bytes;
        self
    }

    /// Sets the most bytes of the database.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Goes on without the records that are missing, if the log ends below a cursor.
    #[must_use]
    pub const fn lowering_cursors(mut self) -> Self {
        self.lower_cursors = true;
        self
    }

    /// Takes the time of appends from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for SqliteLogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLogOptions")
            .field("folder", &self.folder)
            .field("sync", &self.sync)
            .field("name", &self.name)
            .field("max_entry_bytes", &self.max_entry_bytes)
            .field("max_bytes", &self.max_bytes)
            .field("lower_cursors", &self.lower_cursors)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}
