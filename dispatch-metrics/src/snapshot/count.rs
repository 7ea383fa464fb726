//! The rules of counting. No counter overflows: a billion dispatches a second would take 584 years.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::DispatchStatus;

use super::{DispatchMetrics, DispatcherMetrics, TopicMetrics};
use crate::histogram::nanos;
use crate::record::{counts_by_category, counts_by_topic};
use crate::{
    DispatchRecord, DispatchSample, DispatcherEvent, ExecutionOutcome, ExecutionRecord, OTHER_TOPICS,
};

impl DispatchMetrics {
    /// Counts one dispatch and the outcomes that came with it.
    pub fn record_dispatch(&mut self, record: &DispatchRecord<'_>) {
        self.count_dispatch(&record.sample());
        if let Some(topic) = record.topic
            && counts_by_topic(record.status)
        {
            self.topic_entry(topic).count_dispatch(record.status, record.duration);
        }
        for execution in record.executions {
            self.record_execution(execution);
        }
    }

    /// Counts one outcome of one dispatcher.
    pub fn record_execution(&mut self, record: &ExecutionRecord<'_>) {
        self.count_execution(record.outcome);
        let topic = record.topic.map(|topic| Arc::from(self.bounded(topic)));
        let dispatcher = self.register_dispatcher(record.dispatcher);
        dispatcher.count_execution(record.outcome, record.duration);
        if topic.is_some() {
            dispatcher.last_execution_topic = topic;
        }
        if let Some(error) = record.error {
            dispatcher.last_error_message = Some(Arc::from(error));
        }
    }

    /// Counts something that befell a dispatcher and is no outcome.
    pub fn record_event(&mut self, dispatcher: &str, event: DispatcherEvent) {
        self.count_event(event);
        self.register_dispatcher(dispatcher).count_event(event);
    }

    /// Counts an envelope that an interceptor rejected.
    pub const fn record_rejected(&mut self) {
        self.rejected_count += 1;
    }

    /// Counts outputs that were only returned, because their topic has no category.
    pub const fn record_unpublishable(&mut self, outputs: u64) {
        self.unpublishable_count += outputs;
    }

    /// The name a topic is counted under: its own, or that of the rest once the bound is reached.
    fn bounded<'a>(&self, topic: &'a str) -> &'a str {
        let named = self.topic_metrics.len() - usize::from(self.topic_metrics.contains_key(OTHER_TOPICS));
        if named < self.topic_limit || self.topic_metrics.contains_key(topic) { topic } else { OTHER_TOPICS }
    }

    pub(super) fn topic_entry(&mut self, topic: &str) -> &mut TopicMetrics {
        let name = Arc::from(self.bounded(topic));
        self.topic_metrics.entry(name).or_default()
    }

    /// Counts one dispatch in all figures but those by topic and dispatcher.
    #[inline]
    pub(crate) fn count_dispatch(&mut self, sample: &DispatchSample) {
        let status = sample.status;
        self.total_dispatches += 1;
        self.successful_dispatches += u64::from(status.is_successful());
        self.failed_dispatches += u64::from(status.is_error());
        match status {
            DispatchStatus::NoDispatcher => self.no_dispatcher_count += 1,
            DispatchStatus::PublishFailed => self.publish_failed_count += 1,
            DispatchStatus::Routed => self.routed_count += 1,
            DispatchStatus::Skipped => self.skipped_count += 1,
            _ => {}
        }
        *self.status_metrics.slot(status) += 1;
        if let Some(category) = sample.category
            && counts_by_category(status)
        {
            *self.category_metrics.slot(category) += 1;
        }
        self.category_mismatch_count += u64::from(sample.category_mismatch);
        self.routes_matched_count += u64::from(sample.routes_matched);
        self.latency.record(sample.duration);
    }

    /// Counts one outcome in the sums over all dispatchers.
    #[inline]
    pub(crate) fn count_execution(&mut self, outcome: ExecutionOutcome) {
        self.dispatcher_execution_count += 1;
        self.dispatcher_error_count += u64::from(outcome.is_error());
        self.timeout_count += u64::from(outcome == ExecutionOutcome::Timeout);
    }

    /// Counts an event in the sums over all dispatchers.
    pub(crate) fn count_event(&mut self, event: DispatcherEvent) {
        self.late_reply_count += u64::from(event == DispatcherEvent::LateReply);
    }
}

impl DispatcherMetrics {
    /// Counts one execution.
    #[inline]
    pub(crate) fn count_execution(&mut self, outcome: ExecutionOutcome, duration: Duration) {
        self.execution_count += 1;
        match outcome {
            ExecutionOutcome::Success => self.success_count += 1,
            ExecutionOutcome::Error => self.error_count += 1,
            ExecutionOutcome::Panicked => {
                self.error_count += 1;
                self.panic_count += 1;
            }
            ExecutionOutcome::Timeout => self.timeout_count += 1,
        }
        self.latency.record(duration);
    }

    /// Counts something that is no outcome.
    pub(crate) const fn count_event(&mut self, event: DispatcherEvent) {
        match event {
            DispatcherEvent::Restart => self.restart_count += 1,
            DispatcherEvent::SlowBlocking => self.slow_blocking_count += 1,
            DispatcherEvent::LateReply => self.late_reply_count += 1,
            DispatcherEvent::Saturated => self.saturated_count += 1,
        }
    }
}

impl TopicMetrics {
    /// Counts one dispatch.
    #[inline]
    pub(crate) fn count_dispatch(&mut self, status: DispatchStatus, duration: Duration) {
        let nanos = nanos(duration);
        self.dispatches += 1;
        self.successes += u64::from(status.is_successful());
        self.failures += u64::from(status.is_error());
        self.total = self.total.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }
}
