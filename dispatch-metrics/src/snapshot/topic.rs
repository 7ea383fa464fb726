use std::time::Duration;

use serde::Deserialize;

use crate::latency::{average_ms, ms, nanos_of_ms};

/// The figures of one topic, or of all topics beyond the bound together.
///
/// Only dispatches that found a dispatcher, or were skipped, are counted by topic. A dispatch that is neither a
/// success nor a failure (skipped or routed) is in `dispatches` alone. As JSON, in milliseconds, there are also
/// `total_latency_ms`, `avg_latency_ms` (0 when empty) and `max_latency_ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Fields")]
#[non_exhaustive]
pub struct TopicMetrics {
    /// Dispatches on the topic.
    pub dispatches: u64,
    /// Those that succeeded.
    pub successes: u64,
    /// Those that ended in an error.
    pub failures: u64,
    /// Sum of the durations in nanoseconds.
    pub(super) total: u64,
    /// The longest duration in nanoseconds.
    pub(super) max: u64,
}

impl TopicMetrics {
    /// Sum of the durations of the dispatches.
    #[must_use]
    pub const fn total_latency(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    /// Mean duration of a dispatch, zero when there are none.
    #[must_use]
    pub fn average_latency(&self) -> Duration {
        Duration::from_nanos(self.total.checked_div(self.dispatches).unwrap_or(0))
    }

    /// The longest duration, zero when there are none.
    #[must_use]
    pub const fn max_latency(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The durations in milliseconds: sum, mean and longest.
    pub(super) fn latency_ms(&self) -> [(&'static str, f64); 3] {
        [
            ("total_latency_ms", ms(self.total)),
            ("avg_latency_ms", average_ms(self.total, self.dispatches)),
            ("max_latency_ms", ms(self.max)),
        ]
    }
}

/// What is read of the JSON; the mean follows from the rest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    dispatches: u64,
    successes: u64,
    failures: u64,
    total_latency_ms: f64,
    max_latency_ms: f64,
}

impl From<Fields> for TopicMetrics {
    fn from(fields: Fields) -> Self {
        Self {
            dispatches: fields.dispatches,
            successes: fields.successes,
            failures: fields.failures,
            total: nanos_of_ms(fields.total_latency_ms),
            max: nanos_of_ms(fields.max_latency_ms),
        }
    }
}
