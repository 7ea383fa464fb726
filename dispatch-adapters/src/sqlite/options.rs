use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::log::SyncPolicy;
use dispatch_core::time::{Clock, SystemClock};

use crate::log_options;

/// What SQLite can hold in one row, with room for what is beside the entry.
const MOST_ENTRY_BYTES: usize = 512 * 1024 * 1024;

/// Below it the thread that flushes would do nothing else.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Where a [`SqliteLog`](super::SqliteLog) is, and what it promises.
///
/// ```
/// use dispatch_adapters::sqlite::SqliteLogOptions;
///
/// let mut options = SqliteLogOptions::new("/var/lib/shop/log");
/// assert!(options.problems().is_empty());
/// options.readers = 0;
/// assert_eq!(options.problems()[0].message(), "sqlite: readers is 0: use at least 1");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteLogOptions {
    /// The folder that holds it; it is made if it is not there, and belongs to one log.
    pub folder: PathBuf,
    /// When an append is acknowledged: `Always`, `Interval` of at least a millisecond, or `Os`.
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

    /// Everything that is wrong with it, sorted.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = log_options::problems(&self.name, self.max_entry_bytes, MOST_ENTRY_BYTES);
        if !matches!(self.sync, SyncPolicy::Always | SyncPolicy::Interval { .. } | SyncPolicy::Os) {
            problems.push(format!("sync is '{}': use always, interval or os", self.sync));
        }
        if let SyncPolicy::Interval { every } = self.sync
            && every < LEAST_INTERVAL
        {
            problems.push(format!(
                "sync is an interval of {every:?}, so it would flush without a pause: use at least {LEAST_INTERVAL:?}, \
                 or always"
            ));
        }
        if self.max_bytes == Some(0) {
            problems.push("max_bytes is 0, so nothing would fit: use more, or leave it out".to_owned());
        }
        if self.readers == 0 {
            problems.push("readers is 0: use at least 1".to_owned());
        }
        problems.sort();
        let problem = |text| Problem::new(ErrorCode::InvalidParameter, format!("sqlite: {text}"));
        problems.into_iter().map(problem).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let mut options = SqliteLogOptions::new("log")
            .with_sync(SyncPolicy::Memory)
            .with_name(" ")
            .with_max_entry_bytes(0)
            .with_max_bytes(0);
        options.readers = 0;
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: sqlite: max_bytes is 0, so nothing would fit: use more, or leave it out
        INVALID_PARAMETER: sqlite: max_entry_bytes is 0: use 1 to 536870912
        INVALID_PARAMETER: sqlite: name is blank: give one, or leave it out
        INVALID_PARAMETER: sqlite: readers is 0: use at least 1
        INVALID_PARAMETER: sqlite: sync is 'memory: an acknowledged message is lost with the process': use always, interval or os
        ");
    }

    #[test]
    fn an_interval_without_a_length_would_never_pause_and_is_refused() {
        let of = |every| SqliteLogOptions::new("log").with_sync(SyncPolicy::Interval { every }).problems();
        for every in [Duration::ZERO, Duration::from_micros(999)] {
            let problems: Vec<_> = of(every).iter().map(ToString::to_string).collect();
            let text = format!(
                "INVALID_PARAMETER: sqlite: sync is an interval of {every:?}, so it would flush without a pause: use at \
                 least 1ms, or always"
            );
            assert_eq!(problems, [text]);
        }
        assert!(of(Duration::from_millis(1)).is_empty());
    }
}
