use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::dispatch::Outcome;
use dispatch_core::{DispatchStatus, DispatcherId};
use dispatch_metrics::{
    DispatchMetrics, DispatcherEvent, DispatcherMetrics, DispatcherSlot, ExecutionOutcome,
};

use crate::dispatcher::Link;

/// Something about the dispatchers of the shard.
pub(crate) enum Notice {
    /// A dispatcher whose work under way is to be shown.
    Started(Rc<Link>),
    /// A dispatcher that is not in the table any more: once nothing is left of it, its slot is free.
    Retired(Rc<Link>),
}

/// How an outcome is counted.
pub(crate) fn kind_of(outcome: &Outcome) -> ExecutionOutcome {
    match outcome.status() {
        DispatchStatus::Success => ExecutionOutcome::Success,
        DispatchStatus::Timeout => ExecutionOutcome::Timeout,
        _ if outcome.is_panic() => ExecutionOutcome::Panicked,
        _ => ExecutionOutcome::Error,
    }
}

/// Asks for a snapshot of everything that happened before.
#[derive(Message)]
#[rtype(result = "DispatchMetrics")]
pub(crate) struct Snapshot;

/// Asks for the metrics of one dispatcher.
#[derive(Message)]
#[rtype(result = "Option<DispatcherMetrics>")]
pub(crate) struct OfDispatcher(pub(crate) DispatcherId);

/// Sets every counter to zero.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Reset;

/// Something that a thread of a blocking pool has to tell.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Tell {
    pub(crate) slot: DispatcherSlot,
    pub(crate) event: DispatcherEvent,
    pub(crate) id: DispatcherId,
    pub(crate) took: Duration,
    /// Keeps the slot until this has been counted.
    pub(crate) _in_use: Arc<()>,
}

/// Ends the collector.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;
