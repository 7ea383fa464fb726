//! What the actors of one shard share: the clock, the limits and the ways to each other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Sanitizer;
use dispatch_core::ids::IdGenerator;
use dispatch_metrics::Recorder;
use uuid::Uuid;

use crate::admission::Admission;
use crate::aggregator::Settled;
use crate::clock::{ShardClock, Tick};
use crate::collector::Notice;
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
    /// Written where something happens; read, cleared and kept in order by the collector. Nothing that is not its own
    /// runs while it is borrowed.
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) notices: Outlet<Notice>,
    pub(crate) settled: Outlet<Settled>,
    pub(crate) pulse: Arc<Pulse>,
    /// Whether something wants to see each result before the caller does: a publisher, an interceptor, an
    /// observer. If so, every result goes through the aggregator.
    pub(crate) supervised_results: bool,
    /// Whether the input must be kept for the outputs that are published.
    pub(crate) keeps_input: bool,
    /// Ids of the envelopes that the engine makes.
    pub(crate) ids: RefCell<IdGenerator>,
    /// The engine's time-out; a reload changes it.
    pub(crate) timeout: Cell<Duration>,
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

    /// All dispatchers of a flight have answered: the aggregator makes the result.
    pub(crate) fn settle(&self, flight: &Rc<Flight>, now: Tick) {
        if let Err(Settled { flight, at }) = self.settled.send(Settled { flight: Rc::clone(flight), at: now })
        {
            // The aggregator is gone: the engine is being torn down. The caller still gets its result.
            flight.answer(flight.fold(at));
        }
    }

    /// An id for an envelope that the engine makes.
    pub(crate) fn new_id(&self) -> Uuid {
        self.ids.borrow_mut().uuid_v7(self.clock.unix_millis_at(self.clock.now()))
    }

    /// Tells the collector. A collector that is gone shows nothing any more.
    pub(crate) fn notify(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}
