use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{DEFAULT_TYPE_LIMIT, Latency, OTHER_TYPES};

/// What workers have done with the messages of a transport.
///
/// ```
/// use std::time::Duration;
/// use dispatch_metrics::WorkMetrics;
///
/// let mut work = WorkMetrics::default();
/// work.of_type("SendMail", |own| own.begun(Duration::from_secs(2)));
/// work.of_type("SendMail", |own| own.done(Duration::from_millis(30)));
/// assert_eq!(work.types["SendMail"].wait.average(), Duration::from_secs(2));
/// assert_eq!((work.attempts(), work.error_rate()), (1, 0.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WorkMetrics {
    /// Figures by message type; those beyond the bound are under [`OTHER_TYPES`].
    pub types: BTreeMap<Arc<str>, TypeMetrics>,
    /// How many types are told apart.
    pub type_limit: usize,
    /// Messages that were found to have expired.
    pub expired: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Leases that were lost while a message was in hand: somebody else handles it, too.
    pub lost: u64,
    /// Messages that were handed back before their handlers had begun.
    pub handed_back: u64,
    /// Messages that were still being handled at the deadline of a drain.
    pub abandoned: u64,
    /// What could not be written of messages that were handled: they are handled once more.
    pub unwritten: u64,
    /// Messages that have failed and were told to the dead-letter target.
    pub dead_lettered: u64,
    /// Messages that have failed and that the target was not told of; they are in their transport all the same.
    pub untold: u64,
}

impl Default for WorkMetrics {
    fn default() -> Self {
        Self {
            types: BTreeMap::new(),
            type_limit: DEFAULT_TYPE_LIMIT,
            expired: 0,
            unreadable: 0,
            lost: 0,
            handed_back: 0,
            abandoned: 0,
            unwritten: 0,
            dead_lettered: 0,
            untold: 0,
        }
    }
}

impl WorkMetrics {
    /// Changes the figures of a message type, or those of the rest once the limit is reached.
    pub fn of_type(&mut self, message_type: &str, change: impl FnOnce(&mut TypeMetrics)) {
        if let Some(own) = self.types.get_mut(message_type) {
            return change(own);
        }
        let told_apart = self.types.len() - usize::from(self.types.contains_key(OTHER_TYPES));
        let name = if told_apart < self.type_limit { message_type } else { OTHER_TYPES };
        change(self.types.entry(name.into()).or_default());
    }

    /// Attempts that were begun, of all types.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.sum(|own| own.attempts)
    }

    /// Messages that were handled, of all types.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.sum(|own| own.done)
    }

    /// Attempts that failed and are made again, of all types.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.sum(|own| own.retried)
    }

    /// Messages that have failed for good, of all types.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.sum(|own| own.failed)
    }

    /// How long attempts have run, of all types.
    #[must_use]
    pub fn run(&self) -> Latency {
        self.together(|own| &own.run)
    }

    /// How long messages had been due when they were claimed, of all types.
    #[must_use]
    pub fn wait(&self) -> Latency {
        self.together(|own| &own.wait)
    }

    /// Which part of what has ended has failed, 0 to 1; 0 if nothing has ended.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        let failed = self.retried().saturating_add(self.failed());
        let ended = failed.saturating_add(self.done());
        if ended == 0 { 0.0 } else { failed as f64 / ended as f64 }
    }

    fn sum(&self, figure: impl Fn(&TypeMetrics) -> u64) -> u64 {
        self.types.values().map(figure).fold(0, u64::saturating_add)
    }

    fn together(&self, figure: impl Fn(&TypeMetrics) -> &Latency) -> Latency {
        let mut all = Latency::default();
        self.types.values().for_each(|own| all.merge(figure(own)));
        all
    }
}

/// What workers have done with the messages of one type, or of all types beyond the bound together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TypeMetrics {
    /// Attempts that were begun.
    pub attempts: u64,
    /// Messages that were handled.
    pub done: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Messages that have failed for good; those that were given up without another attempt among them.
    pub failed: u64,
    /// How long messages had been due when they were claimed, for each attempt that was begun.
    pub wait: Latency,
    /// From handing a message to the engine to its answer, for each answer that was listened to.
    pub run: Latency,
}

impl TypeMetrics {
    /// An attempt was begun with a message that had been due for so long when it was claimed.
    pub fn begun(&mut self, waited: Duration) {
        self.attempts += 1;
        self.wait.record(waited);
    }

    /// A message was handled.
    pub fn done(&mut self, ran: Duration) {
        self.done += 1;
        self.run.record(ran);
    }

    /// An attempt failed and is made again.
    pub fn retried(&mut self, ran: Duration) {
        self.retried += 1;
        self.run.record(ran);
    }

    /// A message has failed for good; without a time if nothing was tried for it.
    pub fn failed(&mut self, ran: Option<Duration>) {
        self.failed += 1;
        ran.into_iter().for_each(|ran| self.run.record(ran));
    }
}
