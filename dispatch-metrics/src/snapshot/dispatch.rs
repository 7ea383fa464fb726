use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{CategoryMetrics, DispatcherMetrics, StatusMetrics, TopicMetrics, rate};
use crate::{DEFAULT_TOPIC_LIMIT, Latency};

/// Everything an engine counts, at one moment.
///
/// Pure and public: it is what `engine.metrics()` answers with, and can as well be kept and fed by hand.
///
/// - Every dispatch is in `total_dispatches`, in the latency, and under one status of `status_metrics`. An
///   invalid message moves nothing else but `failed_dispatches` (and `category_mismatch_count`); a dispatch
///   without a dispatcher also moves `no_dispatcher_count` and its category.
/// - Successful is only `SUCCESS`; failed is every status that is an error. `SKIPPED` and `ROUTED` are neither:
///   they lower both rates.
/// - `timeout_count`, `dispatcher_error_count` and `dispatcher_execution_count` count dispatchers, not
///   dispatches, and a timeout is not an error.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::{Category, DispatchStatus};
/// use dispatch_metrics::{DispatchMetrics, DispatchRecord, ExecutionOutcome, ExecutionRecord};
///
/// let mut metrics = DispatchMetrics::new("shop");
/// assert_eq!((metrics.success_rate(), metrics.error_rate()), (1.0, 0.0));
///
/// metrics.record_dispatch(&DispatchRecord {
///     category: Some(Category::Event),
///     topic: Some("shop.order.events"),
///     routes_matched: 1,
///     executions: &[ExecutionRecord::new("mailer", ExecutionOutcome::Success, Duration::from_millis(2))],
///     ..DispatchRecord::new(DispatchStatus::Success, Duration::from_millis(3))
/// });
/// assert_eq!(metrics.total_dispatches, 1);
/// assert_eq!(metrics.dispatcher("mailer").map(|mailer| mailer.success_count), Some(1));
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DispatchMetrics {
    /// Name of the engine.
    pub engine: Arc<str>,
    /// Dispatches that ended, whatever their status.
    pub total_dispatches: u64,
    /// Dispatches of status `SUCCESS`.
    pub successful_dispatches: u64,
    /// Dispatches whose status is an error.
    pub failed_dispatches: u64,
    /// Dispatches that nothing matched.
    pub no_dispatcher_count: u64,
    /// Dispatches whose envelope's category contradicted the topic's.
    pub category_mismatch_count: u64,
    /// Executions that did not end in time, counted per dispatcher.
    pub timeout_count: u64,
    /// Executions, counted per dispatcher.
    pub dispatcher_execution_count: u64,
    /// Executions that failed or panicked, counted per dispatcher.
    pub dispatcher_error_count: u64,
    /// Sum of the numbers of dispatchers chosen.
    pub routes_matched_count: u64,
    /// Dispatches that were filtered out or duplicates.
    pub skipped_count: u64,
    /// Dispatches handed over without waiting for the outcomes.
    pub routed_count: u64,
    /// Dispatches some of whose outputs could not be published.
    pub publish_failed_count: u64,
    /// Outputs that were only returned, because their topic has no category; not an error.
    pub unpublishable_count: u64,
    /// Envelopes that were not taken because the engine was at its limit; they are no dispatches.
    pub overloaded_count: u64,
    /// Envelopes that an interceptor rejected; they are no dispatches.
    pub rejected_count: u64,
    /// Answers that came after their time-out and were dropped, over all dispatchers.
    pub late_reply_count: u64,
    /// From the call to the result, whatever the status.
    #[serde(flatten)]
    pub latency: Latency,
    /// Dispatches by status.
    pub status_metrics: StatusMetrics,
    /// Dispatches by category.
    pub category_metrics: CategoryMetrics,
    /// Figures by dispatcher id.
    pub dispatcher_metrics: BTreeMap<Arc<str>, DispatcherMetrics>,
    /// Figures by topic: the first `topic_limit` seen, and the rest under `other`.
    pub topic_metrics: BTreeMap<Arc<str>, TopicMetrics>,
    /// How many topics have figures of their own.
    pub topic_limit: usize,
}

impl Default for DispatchMetrics {
    fn default() -> Self {
        Self::new("")
    }
}

impl DispatchMetrics {
    /// Empty metrics of an engine, with [`DEFAULT_TOPIC_LIMIT`].
    #[must_use]
    pub fn new(engine: impl Into<Arc<str>>) -> Self {
        Self {
            engine: engine.into(),
            total_dispatches: 0,
            successful_dispatches: 0,
            failed_dispatches: 0,
            no_dispatcher_count: 0,
            category_mismatch_count: 0,
            timeout_count: 0,
            dispatcher_execution_count: 0,
            dispatcher_error_count: 0,
            routes_matched_count: 0,
            skipped_count: 0,
            routed_count: 0,
            publish_failed_count: 0,
            unpublishable_count: 0,
            overloaded_count: 0,
            rejected_count: 0,
            late_reply_count: 0,
            latency: Latency::default(),
            status_metrics: StatusMetrics::default(),
            category_metrics: CategoryMetrics::default(),
            dispatcher_metrics: BTreeMap::new(),
            topic_metrics: BTreeMap::new(),
            topic_limit: DEFAULT_TOPIC_LIMIT,
        }
    }

    /// Sets how many topics get figures of their own.
    #[must_use]
    pub const fn with_topic_limit(mut self, limit: usize) -> Self {
        self.topic_limit = limit;
        self
    }

    /// `successful_dispatches / total_dispatches`, 1.0 when there are none.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        rate(self.successful_dispatches, self.total_dispatches, 1.0)
    }

    /// `failed_dispatches / total_dispatches`, 0.0 when there are none.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        rate(self.failed_dispatches, self.total_dispatches, 0.0)
    }

    /// The figures of one dispatcher, or `None` if no dispatcher of that id was seen.
    #[must_use]
    pub fn dispatcher(&self, id: &str) -> Option<&DispatcherMetrics> {
        self.dispatcher_metrics.get(id)
    }

    /// The figures of one topic, or `None` if it was not seen or is one of [`OTHER_TOPICS`](crate::OTHER_TOPICS).
    #[must_use]
    pub fn topic(&self, topic: &str) -> Option<&TopicMetrics> {
        self.topic_metrics.get(topic)
    }

    /// Makes a dispatcher known, so that it shows up with zeros before it is first used.
    pub fn register_dispatcher(&mut self, id: &str) -> &mut DispatcherMetrics {
        self.dispatcher_metrics.entry(Arc::from(id)).or_default()
    }
}
