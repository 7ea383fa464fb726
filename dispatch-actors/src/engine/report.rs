use std::time::Duration;

use dispatch_core::DispatcherId;
use dispatch_metrics::DispatchMetrics;
use serde::Serialize;

/// What became of the dispatchers in a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReloadReport {
    /// Version of the table that is now in force; the one an engine was frozen with is 0.
    pub version: u64,
    /// Dispatchers that were started, those that were down and begin anew among them.
    pub started: Vec<DispatcherId>,
    /// Dispatchers that kept their actor, state and metrics.
    pub kept: Vec<DispatcherId>,
    /// Dispatchers that finish what they have and stop.
    pub retired: Vec<DispatcherId>,
}

/// How an engine ended.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Dispatches that were not finished by the deadline; their callers got an error result.
    pub abandoned: usize,
    /// The dispatchers that had not answered, and for how many envelopes each.
    pub abandoned_by_dispatcher: Vec<(DispatcherId, u64)>,
    /// How long the shutdown took.
    pub elapsed: Duration,
    /// The last metrics.
    pub metrics: Option<DispatchMetrics>,
}

impl ShutdownReport {
    /// For an engine whose thread does not answer.
    pub(super) fn unfinished(in_flight: usize, elapsed: Duration) -> Self {
        Self { abandoned: in_flight, abandoned_by_dispatcher: Vec::new(), elapsed, metrics: None }
    }
}

/// How an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineHealth {
    /// Everything works.
    Ready,
    /// At least one dispatcher is down.
    Degraded,
    /// Nothing is admitted any more.
    Stopping,
}
