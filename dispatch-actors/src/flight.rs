//! A dispatch under way, and the pieces of work it consists of.
//!
//! - A [`Flight`] is settled exactly once. It travels inside a [`Job`] while one dispatcher works on it, inside
//!   a [`Gather`] while several do.
//! - A [`Job`] that is dropped without an answer answers by itself: whatever happens to the actor that held it,
//!   the dispatch gets its outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::dispatch::{DispatchResult, Identity, Outcome, Outcomes, Path};
use dispatch_metrics::TopicSlot;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tracing::Span;

use crate::clock::Tick;
use crate::dispatcher::Link;
use crate::engine::Refused;
use crate::shard::Shard;

/// What a caller gets.
pub(crate) type Reply = Result<DispatchResult, Refused>;

/// A dispatch that has not been settled.
pub(crate) struct Flight {
    pub(crate) identity: Identity,
    pub(crate) way: Rc<Way>,
    pub(crate) reply: ReplyTo,
    pub(crate) started: Tick,
    pub(crate) category_mismatch: bool,
    /// The input, kept only for an engine that publishes outputs.
    pub(crate) input: Option<Envelope>,
    pub(crate) span: Option<Box<Span>>,
}

/// Where envelopes of one topic and type go, as resolved once.
pub(crate) struct Way {
    pub(crate) path: Arc<Path>,
    /// The ways to the dispatchers, in rank order.
    pub(crate) targets: Box<[Rc<Link>]>,
    pub(crate) topic_slot: Option<TopicSlot>,
}

/// Who waits for a result.
pub(crate) enum ReplyTo {
    One(oneshot::Sender<Reply>),
    Batch(Rc<Batch>, usize),
    Nobody,
}

impl ReplyTo {
    /// Answers; a caller that is gone wants no answer.
    pub(crate) fn send(self, reply: Reply) {
        match self {
            Self::One(caller) => {
                let _ = caller.send(reply);
            }
            Self::Batch(batch, index) => batch.put(index, reply),
            Self::Nobody => {}
        }
    }
}

/// Results of a `dispatch_many`, until all are there.
pub(crate) struct Batch {
    results: RefCell<Vec<Option<Reply>>>,
    open: Cell<usize>,
    caller: Cell<Option<oneshot::Sender<Vec<Option<Reply>>>>>,
}

impl Batch {
    pub(crate) fn new(size: usize, caller: oneshot::Sender<Vec<Option<Reply>>>) -> Rc<Self> {
        Rc::new(Self {
            results: RefCell::new((0..size).map(|_| None).collect()),
            open: Cell::new(size),
            caller: Cell::new(Some(caller)),
        })
    }

    fn put(&self, index: usize, reply: Reply) {
        if let Some(slot) = self.results.borrow_mut().get_mut(index) {
            *slot = Some(reply);
        }
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0
            && let Some(caller) = self.caller.take()
        {
            let _ = caller.send(self.results.take());
        }
    }
}

/// Outcomes of a dispatch to several dispatchers, until all are there.
pub(crate) struct Gather {
    shard: Rc<Shard>,
    pub(crate) started: Tick,
    pub(crate) flight: RefCell<Option<Flight>>,
    slots: RefCell<SmallVec<[Option<Outcome>; 4]>>,
    open: Cell<usize>,
}

impl Gather {
    pub(crate) fn new(shard: &Rc<Shard>, flight: Flight) -> Rc<Self> {
        let size = flight.way.targets.len();
        Rc::new(Self {
            shard: Rc::clone(shard),
            started: flight.started,
            flight: RefCell::new(Some(flight)),
            slots: RefCell::new((0..size).map(|_| None).collect()),
            open: Cell::new(size),
        })
    }

    /// Keeps the outcome of one dispatcher; the last one settles the dispatch.
    fn put(&self, index: u32, outcome: Outcome, now: Tick) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(index as usize) {
            *slot = Some(outcome);
        }
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0
            && let Some(flight) = self.flight.take()
        {
            let outcomes: Outcomes = self.slots.take().into_iter().flatten().collect();
            self.shard.settle(flight, outcomes, now);
        }
    }
}

/// One dispatcher's piece of a dispatch.
pub(crate) struct Job {
    /// Taken when the handler is called.
    pub(crate) envelope: Option<Envelope>,
    /// Position of the dispatcher among those of the dispatch.
    index: u32,
    part: Part,
}

enum Part {
    /// The only piece: the whole dispatch travels with it.
    Whole(Rc<Shard>, Flight),
    /// One of several.
    Leg(Rc<Gather>),
    /// Answered.
    Done,
}

impl Job {
    pub(crate) fn whole(shard: &Rc<Shard>, envelope: Envelope, flight: Flight) -> Self {
        Self { envelope: Some(envelope), index: 0, part: Part::Whole(Rc::clone(shard), flight) }
    }

    pub(crate) fn leg(envelope: Envelope, gather: &Rc<Gather>, index: u32) -> Self {
        Self { envelope: Some(envelope), index, part: Part::Leg(Rc::clone(gather)) }
    }

    /// When the dispatch began.
    pub(crate) fn started(&self) -> Tick {
        match &self.part {
            Part::Whole(_, flight) => flight.started,
            Part::Leg(gather) => gather.started,
            Part::Done => Tick::default(),
        }
    }

    /// Looks at the dispatch this piece belongs to.
    pub(crate) fn with_flight<R>(&self, look: impl FnOnce(&Flight) -> R) -> Option<R> {
        match &self.part {
            Part::Whole(_, flight) => Some(look(flight)),
            Part::Leg(gather) => gather.flight.borrow().as_ref().map(look),
            Part::Done => None,
        }
    }

    /// The span of the dispatch, if it has one.
    pub(crate) fn span(&self) -> Option<Span> {
        self.with_flight(|flight| flight.span.as_deref().cloned()).flatten()
    }

    /// Answers.
    pub(crate) fn answer(mut self, outcome: Outcome, now: Tick) {
        self.settle(outcome, now);
    }

    fn settle(&mut self, outcome: Outcome, now: Tick) {
        match std::mem::replace(&mut self.part, Part::Done) {
            Part::Whole(shard, flight) => shard.settle_single(flight, outcome, now),
            Part::Leg(gather) => gather.put(self.index, outcome, now),
            Part::Done => {}
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let now = match &self.part {
            Part::Done => return,
            Part::Whole(shard, _) => shard.clock.now(),
            Part::Leg(gather) => gather.shard.clock.now(),
        };
        let outcome = Outcome::error("dispatcher stopped before it answered", now.since(self.started()));
        self.settle(outcome, now);
    }
}
