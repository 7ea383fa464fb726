use std::sync::Arc;

use serde::Deserialize;

use super::rate;
use crate::{ExecutionOutcome, Latency};

/// The figures of one dispatcher.
///
/// Every envelope handed over is one execution with one outcome:
/// `success_count + error_count + timeout_count == execution_count`. A panic is an error, so `panic_count` is a
/// part of `error_count`; so are the envelopes in `saturated_count`, if the engine answers them with an error.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DispatcherMetrics {
    /// Envelopes handed to the dispatcher whose outcome is known.
    pub execution_count: u64,
    /// Executions that succeeded.
    pub success_count: u64,
    /// Executions that failed or panicked.
    pub error_count: u64,
    /// Executions that did not end in time; not errors.
    pub timeout_count: u64,
    /// The part of the errors that were panics.
    pub panic_count: u64,
    /// Replacements started after the dispatcher's actor died.
    pub restart_count: u64,
    /// Blocking calls that ran longer than the warning limit.
    pub slow_blocking_count: u64,
    /// Blocking calls that answered after their time-out; the answers were dropped.
    pub late_reply_count: u64,
    /// Envelopes turned away because the dispatcher was at its cap.
    pub saturated_count: u64,
    /// Envelopes it is working on now; [`clear`](Self::clear) leaves this alone.
    pub in_flight: u64,
    /// From handing over an envelope to its outcome, whatever the outcome.
    #[serde(flatten)]
    pub latency: Latency,
    /// The last error text, sanitised.
    pub last_error_message: Option<Arc<str>>,
    /// Topic of the last execution; `other` if the topic is beyond the bound.
    pub last_execution_topic: Option<Arc<str>>,
}

impl DispatcherMetrics {
    /// Share of the executions that succeeded, 1.0 when there are none.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        rate(self.success_count, self.execution_count, 1.0)
    }

    /// Share of the executions that failed or panicked, 0.0 when there are none. Timeouts are in neither rate.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        rate(self.error_count, self.execution_count, 0.0)
    }

    /// Number of executions of one outcome. Here a panic is no error: the four add up to `execution_count`.
    #[must_use]
    pub const fn outcome_count(&self, outcome: ExecutionOutcome) -> u64 {
        match outcome {
            ExecutionOutcome::Success => self.success_count,
            ExecutionOutcome::Error => self.error_count.saturating_sub(self.panic_count),
            ExecutionOutcome::Panicked => self.panic_count,
            ExecutionOutcome::Timeout => self.timeout_count,
        }
    }
}
