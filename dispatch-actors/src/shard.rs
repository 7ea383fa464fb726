//! What the actors of one shard share: the clock, the limits and the ways to each other.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Sanitizer;
use dispatch_core::dispatch::{DispatchResult, Outcome, Outcomes, Subject};
use dispatch_metrics::DispatchSample;

use crate::admission::Admission;
use crate::aggregator::Settled;
use crate::clock::{ShardClock, Tick};
use crate::collector::Sample;
use crate::flight::Flight;
use crate::inbox::Outlet;
use crate::watchdog::Pulse;

/// Shared by the actors of a shard, all on one thread.
pub(crate) struct Shard {
    pub(crate) engine: Arc<str>,
    pub(crate) clock: ShardClock,
    pub(crate) admission: Arc<Admission>,
    pub(crate) sanitizer: Sanitizer,
    pub(crate) max_outputs: usize,
    pub(crate) blocking_warn: Duration,
    pub(crate) blocking_cap: usize,
    pub(crate) samples: Outlet<Sample>,
    pub(crate) settled: Outlet<Settled>,
    pub(crate) pulse: Arc<Pulse>,
    /// Whether something wants to see each result before the caller does: a publisher, an interceptor, an
    /// observer. If so, every result goes through the aggregator.
    pub(crate) supervised_results: bool,
    /// Whether the input must be kept for the outputs that are published.
    pub(crate) keeps_input: bool,
    pub(crate) subscriber: Option<tracing::Dispatch>,
}

impl Shard {
    /// Runs `f` under the engine's own subscriber, if it has one.
    pub(crate) fn traced<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.subscriber {
            Some(subscriber) => tracing::dispatcher::with_default(subscriber, f),
            None => f(),
        }
    }

    /// The one dispatcher of a flight has answered: the short way to the caller, if nobody else must see it.
    pub(crate) fn settle_single(self: &Rc<Self>, flight: Flight, outcome: Outcome, now: Tick) {
        self.settle(flight, Outcomes::from_buf([outcome]), now);
    }

    /// All dispatchers of a flight have answered.
    pub(crate) fn settle(self: &Rc<Self>, flight: Flight, outcomes: Outcomes, now: Tick) {
        if self.supervised_results || outcomes.len() > 1 {
            let settled = Settled { flight, outcomes, at: now };
            if let Err(settled) = self.settled.send(settled) {
                // The aggregator is gone: the engine is being torn down. The caller still gets its result.
                settled.flight.finish(self, settled.outcomes, now);
            }
        } else {
            flight.finish(self, outcomes, now);
        }
    }

    /// Tells the collector. A collector that is gone counts nothing any more.
    pub(crate) fn sample(&self, sample: Sample) {
        let _ = self.samples.send(sample);
    }
}

impl Flight {
    /// Makes the result, counts it, answers the caller and gives the permit back.
    pub(crate) fn finish(self, shard: &Shard, outcomes: Outcomes, now: Tick) {
        let (result, flight) = self.fold(shard, outcomes, now);
        flight.answer(shard, result);
    }

    /// Makes the result and counts the executions.
    pub(crate) fn fold(self, shard: &Shard, outcomes: Outcomes, now: Tick) -> (DispatchResult, Self) {
        for (target, outcome) in self.way.targets.iter().zip(&outcomes) {
            shard.sample(Sample::execution(target, self.way.topic_slot, outcome));
        }
        let subject = Subject {
            identity: self.identity,
            path: Arc::clone(&self.way.path),
            started_at: shard.clock.wall_at(self.started),
        };
        (DispatchResult::folded(subject, outcomes, now.since(self.started)), self)
    }

    /// Counts the result, answers the caller and gives the permit back.
    pub(crate) fn answer(self, shard: &Shard, result: DispatchResult) {
        shard.sample(Sample::Dispatch(DispatchSample {
            status: result.status(),
            category: self.way.path.category,
            category_mismatch: self.category_mismatch,
            topic: self.way.topic_slot,
            routes_matched: u32::try_from(self.way.targets.len()).unwrap_or(u32::MAX),
            duration: result.duration(),
        }));
        if let Some(span) = &self.span {
            crate::trace::completed(span, &result);
        }
        shard.admission.release(1);
        self.reply.send(Ok(result));
    }
}
