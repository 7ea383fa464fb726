use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::dispatch::Outcome;
use dispatch_core::{DispatchStatus, DispatcherId};
use dispatch_metrics::{
    DispatchMetrics, DispatchSample, DispatcherEvent, DispatcherMetrics, DispatcherSlot, ExecutionOutcome,
    TopicSlot,
};

use crate::dispatcher::Link;
use crate::flight::Way;

/// One fact for the metrics, from an actor of the shard. Kept small: there is one for every execution.
pub(crate) enum Sample {
    /// A dispatch that a single dispatcher answered: its execution and the dispatch itself.
    Single {
        way: Rc<Way>,
        kind: ExecutionOutcome,
        status: DispatchStatus,
        executed: Duration,
        duration: Duration,
    },
    Execution {
        slot: DispatcherSlot,
        topic: Option<TopicSlot>,
        kind: ExecutionOutcome,
        duration: Duration,
    },
    ErrorText(DispatcherSlot, Box<str>),
    /// A dispatch that several dispatchers answered; their executions come by themselves.
    Folded {
        way: Rc<Way>,
        status: DispatchStatus,
        duration: Duration,
    },
    /// A dispatch that no dispatcher saw.
    Unhandled(Box<DispatchSample>),
    Event(DispatcherSlot, DispatcherEvent),
    Unpublishable(u64),
    /// An interceptor rejected an envelope.
    Rejected,
    /// A dispatcher whose work under way is to be shown.
    Watch(Rc<Link>),
    /// A dispatcher that was retired: once nothing is left of it, its slot is free.
    Unwatch(Rc<Link>),
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
