//! Snapshots as JSON: the fields as they are, and what follows from them (rates, means) beside them. Reading
//! takes the former and works the latter out again.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{DispatchMetrics, DispatcherMetrics, TopicMetrics};
use crate::Latency;

impl Serialize for DispatchMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("DispatchMetrics", 24 + Latency::FIELDS)?;
        object.serialize_field("engine", &self.engine)?;
        object.serialize_field("total_dispatches", &self.total_dispatches)?;
        object.serialize_field("successful_dispatches", &self.successful_dispatches)?;
        object.serialize_field("failed_dispatches", &self.failed_dispatches)?;
        object.serialize_field("success_rate", &self.success_rate())?;
        object.serialize_field("error_rate", &self.error_rate())?;
        object.serialize_field("no_dispatcher_count", &self.no_dispatcher_count)?;
        object.serialize_field("category_mismatch_count", &self.category_mismatch_count)?;
        object.serialize_field("timeout_count", &self.timeout_count)?;
        object.serialize_field("dispatcher_execution_count", &self.dispatcher_execution_count)?;
        object.serialize_field("dispatcher_error_count", &self.dispatcher_error_count)?;
        object.serialize_field("routes_matched_count", &self.routes_matched_count)?;
        object.serialize_field("skipped_count", &self.skipped_count)?;
        object.serialize_field("routed_count", &self.routed_count)?;
        object.serialize_field("publish_failed_count", &self.publish_failed_count)?;
        object.serialize_field("unpublishable_count", &self.unpublishable_count)?;
        object.serialize_field("overloaded_count", &self.overloaded_count)?;
        object.serialize_field("rejected_count", &self.rejected_count)?;
        object.serialize_field("late_reply_count", &self.late_reply_count)?;
        self.latency.write_fields(&mut object)?;
        object.serialize_field("status_metrics", &self.status_metrics)?;
        object.serialize_field("category_metrics", &self.category_metrics)?;
        object.serialize_field("dispatcher_metrics", &self.dispatcher_metrics)?;
        object.serialize_field("topic_metrics", &self.topic_metrics)?;
        object.serialize_field("topic_limit", &self.topic_limit)?;
        object.end()
    }
}

impl Serialize for DispatcherMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("DispatcherMetrics", 14 + Latency::FIELDS)?;
        object.serialize_field("execution_count", &self.execution_count)?;
        object.serialize_field("success_count", &self.success_count)?;
        object.serialize_field("error_count", &self.error_count)?;
        object.serialize_field("timeout_count", &self.timeout_count)?;
        object.serialize_field("panic_count", &self.panic_count)?;
        object.serialize_field("restart_count", &self.restart_count)?;
        object.serialize_field("slow_blocking_count", &self.slow_blocking_count)?;
        object.serialize_field("late_reply_count", &self.late_reply_count)?;
        object.serialize_field("saturated_count", &self.saturated_count)?;
        object.serialize_field("in_flight", &self.in_flight)?;
        object.serialize_field("success_rate", &self.success_rate())?;
        object.serialize_field("error_rate", &self.error_rate())?;
        self.latency.write_fields(&mut object)?;
        object.serialize_field("last_error_message", &self.last_error_message)?;
        object.serialize_field("last_execution_topic", &self.last_execution_topic)?;
        object.end()
    }
}

impl Serialize for TopicMetrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let latency = self.latency_ms();
        let mut object = serializer.serialize_struct("TopicMetrics", 3 + latency.len())?;
        object.serialize_field("dispatches", &self.dispatches)?;
        object.serialize_field("successes", &self.successes)?;
        object.serialize_field("failures", &self.failures)?;
        for (name, ms) in &latency {
            object.serialize_field(name, ms)?;
        }
        object.end()
    }
}
