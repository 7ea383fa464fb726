//! A dispatch under way, and the pieces of work it consists of.
//!
//! - A [`Flight`] is settled exactly once: by the last of its [`Job`]s to be answered, or before there are any.
//! - A [`Job`] that is dropped without an answer answers by itself: whatever happens to the actor that held it,
//!   the dispatch gets its outcome.
//! - Everything here lives on the thread of one shard, so that counting what is open needs no atomics.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::dispatch::{DispatchResult, Identity, Outcome, Outcomes, Path, Subject};
use dispatch_metrics::{DispatchSample, ExecutionSample, Recorder, TopicSlot};
use tokio::sync::oneshot;
use tracing::Span;

use crate::clock::Tick;
use crate::collector::kind_of;
use crate::dispatcher::{Fault, Link};
use crate::engine::Refused;
use crate::guard::discard;
use crate::shard::Shard;
use crate::trace;

/// What a caller gets.
pub(crate) type Reply = Result<DispatchResult, Refused>;

/// A dispatch that has not been settled.
pub(crate) struct Flight {
    shard: Rc<Shard>,
    pub(crate) way: Rc<Way>,
    pub(crate) identity: Identity,
    pub(crate) started: Tick,
    reply: Cell<ReplyTo>,
    outcomes: RefCell<Outcomes>,
    open: Cell<u32>,
    extras: Option<Box<Extras>>,
}

/// What only some dispatches carry.
#[derive(Default)]
pub(crate) struct Extras {
    /// The input, for an engine that publishes outputs.
    pub(crate) input: Option<Envelope>,
    /// The span, if anybody wants one.
    pub(crate) span: Option<Span>,
    /// Whether the envelope's own category contradicted the topic's.
    pub(crate) category_mismatch: bool,
}

/// Where envelopes of one topic and type go, as resolved once.
pub(crate) struct Way {
    pub(crate) path: Arc<Path>,
    /// The ways to the dispatchers, in rank order.
    pub(crate) links: Box<[Rc<Link>]>,
    pub(crate) topic_slot: Option<TopicSlot>,
}

impl Flight {
    pub(crate) fn new(
        shard: &Rc<Shard>,
        way: Rc<Way>,
        identity: Identity,
        reply: ReplyTo,
        started: Tick,
        extras: Option<Box<Extras>>,
    ) -> Rc<Self> {
        let size = way.links.len();
        // The outcome of a single dispatcher is not kept but made the result at once.
        let outcomes = if size > 1 {
            Outcomes::from_vec((0..size).map(|_| Outcome::pending()).collect())
        } else {
            Outcomes::new()
        };
        Rc::new(Self {
            shard: Rc::clone(shard),
            way,
            identity,
            started,
            reply: Cell::new(reply),
            outcomes: RefCell::new(outcomes),
            open: Cell::new(u32::try_from(size).unwrap_or(u32::MAX)),
            extras,
        })
    }

    pub(crate) fn span(&self) -> Option<&Span> {
        self.extras.as_ref()?.span.as_ref()
    }

    pub(crate) fn input(&self) -> Option<&Envelope> {
        self.extras.as_ref()?.input.as_ref()
    }

    /// What a result of this dispatch is about.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            identity: self.identity,
            path: Arc::clone(&self.way.path),
            started_at: self.shard.clock.wall_at(self.started),
        }
    }

    /// Makes a job for each of its dispatchers, in rank order.
    #[inline]
    pub(crate) fn hand_out(self: &Rc<Self>, envelope: Envelope, mut hand: impl FnMut(&Link, Job)) {
        let Some((last, others)) = self.way.links.split_last() else { return };
        let mut index = 0;
        for link in others {
            hand(link, Job::new(envelope.clone(), Rc::clone(self), index));
            index += 1;
        }
        hand(last, Job::new(envelope, Rc::clone(self), index));
    }

    /// Takes the outcome of one dispatcher; the last one settles the dispatch.
    #[inline]
    fn put(self: &Rc<Self>, index: u32, outcome: Outcome, now: Tick) {
        if let Some(link) = self.way.links.get(index as usize) {
            link.answered();
        }
        if self.way.links.len() == 1 {
            if !self.shard.supervised_results {
                // The short way to the caller, since nobody else wants to see the result. The fold of one outcome
                // is that outcome.
                return self.finish_single(outcome, now);
            }
            self.outcomes.borrow_mut().push(outcome);
        } else if let Some(slot) = self.outcomes.borrow_mut().get_mut(index as usize) {
            *slot = outcome;
        }
        let open = self.open.get().saturating_sub(1);
        self.open.set(open);
        if open > 0 {
            return;
        }
        if self.shard.supervised_results {
            self.shard.settle(self, now);
        } else {
            self.answer(self.fold(now));
        }
    }

    fn finish_single(&self, outcome: Outcome, now: Tick) {
        let duration = now.since(self.started);
        let mut recorder = self.shard.recorder.borrow_mut();
        if let Some(link) = self.way.links.first() {
            self.count_execution(&mut recorder, link, &outcome);
        }
        let result = DispatchResult::folded(self.subject(), Outcomes::from_buf([outcome]), duration);
        recorder.record_dispatch(self.sample(&result));
        drop(recorder);
        self.reply(result);
    }

    /// Counts the executions and makes the result of their outcomes.
    pub(crate) fn fold(&self, now: Tick) -> DispatchResult {
        let outcomes = self.outcomes.take();
        let mut recorder = self.shard.recorder.borrow_mut();
        for (link, outcome) in self.way.links.iter().zip(&outcomes) {
            self.count_execution(&mut recorder, link, outcome);
        }
        drop(recorder);
        DispatchResult::folded(self.subject(), outcomes, now.since(self.started))
    }

    #[inline]
    fn count_execution(&self, recorder: &mut Recorder, link: &Link, outcome: &Outcome) {
        let (topic, duration) = (self.way.topic_slot, outcome.duration());
        recorder.record_execution(link.slot, ExecutionSample { outcome: kind_of(outcome), duration, topic });
        if let Some(error) = outcome.error_message() {
            recorder.record_error_text(link.slot, error);
        }
    }

    fn sample(&self, result: &DispatchResult) -> DispatchSample {
        DispatchSample {
            status: result.status(),
            category: self.way.path.category,
            category_mismatch: self.extras.as_ref().is_some_and(|extras| extras.category_mismatch),
            topic: self.way.topic_slot,
            routes_matched: u32::try_from(self.way.links.len()).unwrap_or(u32::MAX),
            duration: result.duration(),
        }
    }

    /// Answers the caller before the dispatch is settled, which then answers nobody.
    pub(crate) fn answer_early(&self, result: DispatchResult) {
        self.reply.replace(ReplyTo::Nobody).send(Ok(result));
    }

    /// Counts the result, answers the caller and gives the permit back.
    pub(crate) fn answer(&self, result: DispatchResult) {
        self.shard.recorder.borrow_mut().record_dispatch(self.sample(&result));
        self.reply(result);
    }

    fn reply(&self, result: DispatchResult) {
        if let Some(span) = self.span() {
            trace::completed(&self.shard.engine, span, &result);
        }
        self.shard.admission.release(1);
        self.reply.replace(ReplyTo::Nobody).send(Ok(result));
    }
}

/// Who waits for a result.
pub(crate) enum ReplyTo {
    One(oneshot::Sender<Reply>),
    Batch(Rc<Batch>, u32),
    Nobody,
}

impl ReplyTo {
    /// Answers; a caller that is gone wants no answer.
    pub(crate) fn send(self, reply: Reply) {
        match self {
            Self::One(caller) => {
                if let Err(unwanted) = caller.send(reply) {
                    discard(unwanted);
                }
            }
            Self::Batch(batch, index) => batch.put(index, reply),
            Self::Nobody => {}
        }
    }
}

/// Results of a `dispatch_many`, until all are there.
pub(crate) struct Batch {
    /// Those that are not there yet say that the engine has stopped, which is so if they never come.
    results: RefCell<Vec<Reply>>,
    open: Cell<usize>,
    caller: Cell<Option<oneshot::Sender<Vec<Reply>>>>,
}

impl Batch {
    pub(crate) fn new(size: usize, caller: oneshot::Sender<Vec<Reply>>) -> Rc<Self> {
        Rc::new(Self {
            results: RefCell::new((0..size).map(|_| Err(Refused::InvalidState)).collect()),
            open: Cell::new(size),
            caller: Cell::new(Some(caller)),
        })
    }

    fn put(&self, index: u32, reply: Reply) {
        if let Some(slot) = self.results.borrow_mut().get_mut(index as usize) {
            *slot = reply;
        }
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0
            && let Some(caller) = self.caller.take()
            && let Err(unwanted) = caller.send(self.results.take())
        {
            discard(unwanted);
        }
    }
}

/// One dispatcher's piece of a dispatch.
pub(crate) struct Job {
    /// Taken when the handler is called.
    pub(crate) envelope: Option<Envelope>,
    /// Taken when it is answered.
    flight: Option<Rc<Flight>>,
    /// Position of the dispatcher among those of the dispatch.
    index: u32,
}

impl Job {
    pub(crate) fn new(envelope: Envelope, flight: Rc<Flight>, index: u32) -> Self {
        Self { envelope: Some(envelope), flight: Some(flight), index }
    }

    /// The dispatch it belongs to; `None` once it has been answered.
    pub(crate) fn flight(&self) -> Option<&Flight> {
        self.flight.as_deref()
    }

    /// When the dispatch began.
    pub(crate) fn started(&self) -> Tick {
        self.flight.as_ref().map(|flight| flight.started).unwrap_or_default()
    }

    /// Answers.
    #[inline]
    pub(crate) fn answer(mut self, outcome: Outcome, now: Tick) {
        if let Some(flight) = self.flight.take() {
            flight.put(self.index, outcome, now);
        }
    }
}

impl Drop for Job {
    #[inline]
    fn drop(&mut self) {
        // Every job comes by here; nearly all of them have been called and answered.
        if self.envelope.is_some() || self.flight.is_some() {
            self.give_up();
        }
    }
}

impl Job {
    /// Answers for whoever did not.
    #[cold]
    fn give_up(&mut self) {
        if let Some(envelope) = self.envelope.take() {
            discard(envelope);
        }
        if let Some(flight) = self.flight.take() {
            let now = flight.shard.clock.now();
            let outcome = Fault::Stopped.outcome(&flight.shard.sanitizer, now.since(flight.started));
            flight.put(self.index, outcome, now);
        }
    }
}
