//! What is recorded: the facts of one dispatch and of one dispatcher's part in it.

use std::time::Duration;

use dispatch_core::{Category, DispatchStatus};

use crate::TopicSlot;

/// How one dispatcher's part of a dispatch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExecutionOutcome {
    /// It answered, and its outputs were accepted.
    Success,
    /// It failed, its outputs were refused, or it could not take the envelope.
    Error,
    /// It panicked; an error too.
    Panicked,
    /// It did not answer in time; not an error.
    Timeout,
}

impl ExecutionOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Panicked, Self::Timeout];

    /// Whether the outcome is counted as an error: a failure or a panic.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::Panicked)
    }

    /// The name used in metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Panicked => "panicked",
            Self::Timeout => "timeout",
        }
    }
}

/// Something that befell a dispatcher and is no outcome: it is counted beside the outcome, never instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DispatcherEvent {
    /// Its actor died and a replacement was started.
    Restart,
    /// A blocking call ran longer than the warning limit.
    SlowBlocking,
    /// A blocking call answered after its time-out; the answer was dropped.
    LateReply,
    /// An envelope was turned away because the dispatcher was at its cap.
    Saturated,
}

/// The facts of one dispatch, by slot: what a [`Recorder`](crate::Recorder) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatchSample {
    /// How the dispatch ended.
    pub status: DispatchStatus,
    /// Category of the topic, if it has one.
    pub category: Option<Category>,
    /// Whether the envelope's own category contradicted the topic's.
    pub category_mismatch: bool,
    /// The topic; `None` leaves the figures by topic alone.
    pub topic: Option<TopicSlot>,
    /// Number of dispatchers that were chosen.
    pub routes_matched: u32,
    /// From the call to the result.
    pub duration: Duration,
}

/// The facts of one dispatcher's part of a dispatch, by slot: what a [`Recorder`](crate::Recorder) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionSample {
    /// How it ended.
    pub outcome: ExecutionOutcome,
    /// From handing over the envelope to the outcome.
    pub duration: Duration,
    /// The topic, kept as the dispatcher's last one.
    pub topic: Option<TopicSlot>,
}

/// The facts of one dispatch, by name: what [`DispatchMetrics`](crate::DispatchMetrics) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DispatchRecord<'a> {
    /// How the dispatch ended.
    pub status: DispatchStatus,
    /// Category of the topic, if it has one.
    pub category: Option<Category>,
    /// Whether the envelope's own category contradicted the topic's.
    pub category_mismatch: bool,
    /// The topic; `None` leaves the figures by topic alone.
    pub topic: Option<&'a str>,
    /// Number of dispatchers that were chosen.
    pub routes_matched: u32,
    /// From the call to the result.
    pub duration: Duration,
    /// The outcomes that are known, one for each dispatcher that was handed the envelope. Later ones, as after
    /// [`DispatchStatus::Routed`], go to [`record_execution`](crate::DispatchMetrics::record_execution).
    pub executions: &'a [ExecutionRecord<'a>],
}

impl DispatchRecord<'_> {
    /// A record with a status and a duration, of no category or topic, that reached no dispatcher.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dispatch_core::{Category, DispatchStatus};
    /// use dispatch_metrics::DispatchRecord;
    ///
    /// let record = DispatchRecord {
    ///     category: Some(Category::Command),
    ///     ..DispatchRecord::new(DispatchStatus::NoDispatcher, Duration::from_micros(3))
    /// };
    /// assert_eq!(record.routes_matched, 0);
    /// ```
    #[must_use]
    pub const fn new(status: DispatchStatus, duration: Duration) -> Self {
        Self {
            status,
            category: None,
            category_mismatch: false,
            topic: None,
            routes_matched: 0,
            duration,
            executions: &[],
        }
    }

    /// The same facts without the names.
    pub(crate) const fn sample(&self) -> DispatchSample {
        DispatchSample {
            status: self.status,
            category: self.category,
            category_mismatch: self.category_mismatch,
            topic: None,
            routes_matched: self.routes_matched,
            duration: self.duration,
        }
    }
}

/// The facts of one dispatcher's part of a dispatch, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionRecord<'a> {
    /// Id of the dispatcher.
    pub dispatcher: &'a str,
    /// How it ended.
    pub outcome: ExecutionOutcome,
    /// From handing over the envelope to the outcome.
    pub duration: Duration,
    /// The topic, kept as the dispatcher's last one.
    pub topic: Option<&'a str>,
    /// What went wrong, **already sanitised**; kept as the dispatcher's last error.
    pub error: Option<&'a str>,
}

impl<'a> ExecutionRecord<'a> {
    /// A record without topic and error text.
    #[must_use]
    pub const fn new(dispatcher: &'a str, outcome: ExecutionOutcome, duration: Duration) -> Self {
        Self { dispatcher, outcome, duration, topic: None, error: None }
    }
}

/// Whether dispatches of that status are counted by category.
///
/// An invalid message has no category to speak of.
pub(crate) const fn counts_by_category(status: DispatchStatus) -> bool {
    !matches!(status, DispatchStatus::InvalidMessage)
}

/// Whether dispatches of that status are counted by topic.
///
/// Topics that nobody listens to are left out: anyone who can send could otherwise use up the bound.
pub(crate) const fn counts_by_topic(status: DispatchStatus) -> bool {
    !matches!(status, DispatchStatus::InvalidMessage | DispatchStatus::NoDispatcher)
}
