//! Adding up the parts of one engine, and starting again.

use std::sync::Arc;

use dispatch_core::{Category, DispatchStatus};

use super::{CategoryMetrics, DispatchMetrics, DispatcherMetrics, StatusMetrics, TopicMetrics};

/// Adds without overflow: a snapshot may have been read from anywhere.
const fn add(mine: &mut u64, theirs: u64) {
    *mine = mine.saturating_add(theirs);
}

impl DispatchMetrics {
    /// Adds the figures of another part of the same engine, such as another shard.
    ///
    /// Numbers add up. The engine's name stays, unless it is empty; the last error and topic of a dispatcher
    /// are those of `other`, if it has any. The larger topic limit holds: topics of `other` beyond it go to
    /// [`OTHER_TOPICS`](crate::OTHER_TOPICS), in the order of their names.
    pub fn merge(&mut self, other: &Self) {
        if self.engine.is_empty() {
            self.engine = Arc::clone(&other.engine);
        }
        add(&mut self.total_dispatches, other.total_dispatches);
        add(&mut self.successful_dispatches, other.successful_dispatches);
        add(&mut self.failed_dispatches, other.failed_dispatches);
        add(&mut self.no_dispatcher_count, other.no_dispatcher_count);
        add(&mut self.category_mismatch_count, other.category_mismatch_count);
        add(&mut self.timeout_count, other.timeout_count);
        add(&mut self.dispatcher_execution_count, other.dispatcher_execution_count);
        add(&mut self.dispatcher_error_count, other.dispatcher_error_count);
        add(&mut self.routes_matched_count, other.routes_matched_count);
        add(&mut self.skipped_count, other.skipped_count);
        add(&mut self.routed_count, other.routed_count);
        add(&mut self.publish_failed_count, other.publish_failed_count);
        add(&mut self.unpublishable_count, other.unpublishable_count);
        add(&mut self.overloaded_count, other.overloaded_count);
        add(&mut self.rejected_count, other.rejected_count);
        add(&mut self.late_reply_count, other.late_reply_count);
        self.latency.merge(&other.latency);
        self.status_metrics.merge(&other.status_metrics);
        self.category_metrics.merge(&other.category_metrics);
        self.topic_limit = self.topic_limit.max(other.topic_limit);
        for (id, dispatcher) in &other.dispatcher_metrics {
            self.register_dispatcher(id).merge(dispatcher);
        }
        for (name, topic) in &other.topic_metrics {
            self.topic_entry(name).merge(topic);
        }
    }

    /// Starts again from nothing. The engine's name, the topic limit, the known dispatchers and what they have
    /// in flight stay.
    pub fn clear(&mut self) {
        let mut dispatchers = std::mem::take(&mut self.dispatcher_metrics);
        dispatchers.values_mut().for_each(DispatcherMetrics::clear);
        *self = Self {
            dispatcher_metrics: dispatchers,
            ..Self::new(Arc::clone(&self.engine)).with_topic_limit(self.topic_limit)
        };
    }
}

impl DispatcherMetrics {
    /// Adds the figures of the same dispatcher from elsewhere. The last error and topic of `other` win, if it
    /// has any.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.execution_count, other.execution_count);
        add(&mut self.success_count, other.success_count);
        add(&mut self.error_count, other.error_count);
        add(&mut self.timeout_count, other.timeout_count);
        add(&mut self.panic_count, other.panic_count);
        add(&mut self.restart_count, other.restart_count);
        add(&mut self.slow_blocking_count, other.slow_blocking_count);
        add(&mut self.late_reply_count, other.late_reply_count);
        add(&mut self.saturated_count, other.saturated_count);
        add(&mut self.in_flight, other.in_flight);
        self.latency.merge(&other.latency);
        self.last_error_message = other.last_error_message.clone().or(self.last_error_message.take());
        self.last_execution_topic = other.last_execution_topic.clone().or(self.last_execution_topic.take());
    }

    /// Starts again from nothing; what is in flight stays in flight.
    pub fn clear(&mut self) {
        *self = Self { in_flight: self.in_flight, ..Self::default() };
    }
}

impl TopicMetrics {
    /// Adds the figures of the same topic from elsewhere.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.dispatches, other.dispatches);
        add(&mut self.successes, other.successes);
        add(&mut self.failures, other.failures);
        add(&mut self.total, other.total);
        self.max = self.max.max(other.max);
    }
}

impl CategoryMetrics {
    pub(super) fn merge(&mut self, other: &Self) {
        for category in Category::ALL {
            add(self.slot(category), other.get(category));
        }
    }
}

impl StatusMetrics {
    pub(super) fn merge(&mut self, other: &Self) {
        for status in DispatchStatus::ALL {
            add(self.slot(status), other.get(status));
        }
    }
}
