use std::time::{Duration, SystemTime};

use super::Offset;
use crate::envelope::Envelope;

/// What is appended: an envelope, and from when until when it may be delivered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogEntry {
    /// What was published.
    pub envelope: Envelope,
    /// Not delivered before; at once if absent.
    pub available_at: Option<SystemTime>,
    /// Not delivered from then on; always if absent.
    pub expires_at: Option<SystemTime>,
}

impl LogEntry {
    /// An envelope that may be delivered at once, and always.
    #[must_use]
    pub const fn new(envelope: Envelope) -> Self {
        Self { envelope, available_at: None, expires_at: None }
    }

    /// Delivered at this time or later.
    #[must_use]
    pub const fn available_at(mut self, time: SystemTime) -> Self {
        self.available_at = Some(time);
        self
    }

    /// Skipped from this time on.
    #[must_use]
    pub const fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Skipped when it is this old, counted from the envelope's creation.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        // A time that no clock can show never comes.
        self.expires_at = self.envelope.created_at().checked_add(ttl);
        self
    }
}

impl From<Envelope> for LogEntry {
    fn from(envelope: Envelope) -> Self {
        Self::new(envelope)
    }
}

/// What is read: an entry, its place, and when it got there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogRecord {
    /// Its place in the topic.
    pub offset: Offset,
    /// When it was appended, by the clock of whoever wrote it.
    pub appended_at: SystemTime,
    /// What was appended. Its envelope has the topic that it was appended to.
    pub entry: LogEntry,
}

impl LogRecord {
    /// A record.
    #[must_use]
    pub const fn new(offset: Offset, appended_at: SystemTime, entry: LogEntry) -> Self {
        Self { offset, appended_at, entry }
    }
}
