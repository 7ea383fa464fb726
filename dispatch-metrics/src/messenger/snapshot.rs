use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WorkMetrics;
use crate::millis::optional_millis;

/// How the transports and workers of a messenger are: a snapshot, as `Messenger::metrics` takes it.
///
/// ```
/// use dispatch_metrics::{MessengerMetrics, QueueMetrics};
///
/// let mut metrics = MessengerMetrics::new("shop");
/// let transport = metrics.transports.entry("default".to_owned()).or_default();
/// transport.queues.entry("mails".to_owned()).or_default().ready = 3;
/// assert_eq!(metrics.open(), 3);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MessengerMetrics {
    /// The name of the messenger.
    pub messenger: String,
    /// Its transports by name.
    pub transports: BTreeMap<String, TransportMetrics>,
    /// Its workers in this process that have not ended, by a number that is used again.
    pub workers: BTreeMap<String, WorkerMetrics>,
}

impl MessengerMetrics {
    /// The figures of a messenger that has no transport.
    #[must_use]
    pub fn new(messenger: impl Into<String>) -> Self {
        Self { messenger: messenger.into(), ..Self::default() }
    }

    /// Messages that are still to be handled, of all transports.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.transports.values().flat_map(|transport| transport.queues.values()).map(QueueMetrics::open).sum()
    }
}

/// The figures of one transport.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TransportMetrics {
    /// Whether it has answered; if not, nothing is known about its queues.
    pub reachable: bool,
    /// What is in its queues, by name, whoever has sent it.
    pub queues: BTreeMap<String, QueueMetrics>,
    /// What this messenger has sent, since it was made.
    pub sends: SendMetrics,
    /// What the workers of this messenger in this process have done, those that have ended included.
    pub work: WorkMetrics,
}

/// What is in a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct QueueMetrics {
    /// Whether it is paused for all workers.
    pub paused: bool,
    /// Messages that are due, and free to be claimed.
    pub ready: u64,
    /// Messages that are not due yet: scheduled, or waiting for another attempt.
    pub scheduled: u64,
    /// Messages behind another one of their ordering key.
    pub waiting: u64,
    /// Messages that are being worked on.
    pub leased: u64,
    /// Messages that have failed for good.
    pub failed: u64,
    /// Messages that are done or have expired, and are kept for a while.
    pub done: u64,
    /// How long the oldest message that is ready has been due; in whole milliseconds where it is serialised.
    #[serde(rename = "oldest_ready_ms", with = "optional_millis")]
    pub oldest_ready: Option<Duration>,
}

impl QueueMetrics {
    /// Messages that are still to be handled.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.ready + self.scheduled + self.waiting + self.leased
    }

    /// Name and number of each state.
    pub(crate) const fn by_state(&self) -> [(&'static str, u64); 6] {
        [
            ("ready", self.ready),
            ("scheduled", self.scheduled),
            ("waiting", self.waiting),
            ("leased", self.leased),
            ("failed", self.failed),
            ("done", self.done),
        ]
    }
}

/// What became of messages that were sent to a transport; each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SendMetrics {
    /// They were stored.
    pub stored: u64,
    /// They were stored in place of another one of their key.
    pub replaced: u64,
    /// They were not stored, since another one has their key, whether that was said as an error or not.
    pub duplicates: u64,
    /// They were not stored for another reason, as far as is known: the transport has refused them, or has not answered.
    pub refused: u64,
}

impl SendMetrics {
    /// Name and number of each result.
    pub(crate) const fn by_result(&self) -> [(&'static str, u64); 4] {
        [
            ("stored", self.stored),
            ("replaced", self.replaced),
            ("duplicate", self.duplicates),
            ("refused", self.refused),
        ]
    }
}

/// The figures of one worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Its name in leases and histories.
    pub id: String,
    /// How many messages it handles at a time.
    pub concurrency: u64,
    /// Messages that are being handled.
    pub running: u64,
    /// Messages that it has, and has not begun with.
    pub waiting: u64,
    /// Whether it claims nothing until it is told to go on.
    pub paused: bool,
    /// Whether it claims nothing any more.
    pub stopping: bool,
    /// Messages that have failed and that the dead-letter target has not been told of yet.
    pub untold: u64,
    /// What it has done, by transport.
    pub work: BTreeMap<String, WorkMetrics>,
}

impl WorkerMetrics {
    /// The sum of a figure over its transports.
    pub(crate) fn sum(&self, figure: impl Fn(&WorkMetrics) -> u64) -> u64 {
        self.work.values().map(figure).fold(0, u64::saturating_add)
    }
}
