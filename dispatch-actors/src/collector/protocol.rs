use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::dispatch::Outcome;
use dispatch_core::{DispatchStatus, DispatcherId};
use dispatch_metrics::{
    DispatchMetrics, DispatchSample, DispatcherEvent, DispatcherMetrics, DispatcherSlot, ExecutionOutcome,
    ExecutionSample, TopicSlot,
};

use crate::dispatcher::Link;

/// One fact for the metrics, from an actor of the shard.
pub(crate) enum Sample {
    Execution(DispatcherSlot, ExecutionSample, Option<Box<str>>),
    Dispatch(DispatchSample),
    Event(DispatcherSlot, DispatcherEvent),
    Unpublishable(u64),
    /// A dispatcher whose work under way is to be shown.
    Watch(Rc<Link>),
}

impl Sample {
    pub(crate) fn execution(link: &Link, topic: Option<TopicSlot>, outcome: &Outcome) -> Self {
        let kind = match outcome.status() {
            DispatchStatus::Success => ExecutionOutcome::Success,
            DispatchStatus::Timeout => ExecutionOutcome::Timeout,
            _ if outcome.is_panic() => ExecutionOutcome::Panicked,
            _ => ExecutionOutcome::Error,
        };
        let duration: Duration = outcome.duration();
        let sample = ExecutionSample { outcome: kind, duration, topic };
        Self::Execution(link.slot, sample, outcome.error_message().map(Into::into))
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
pub(crate) struct Tell(pub(crate) DispatcherSlot, pub(crate) DispatcherEvent);

/// Ends the collector.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;
