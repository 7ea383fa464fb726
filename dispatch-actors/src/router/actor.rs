use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_core::dispatch::{DispatchResult, Identity, NotRouted, TopicText, Unroutable, accept};
use dispatch_core::ids::IdGenerator;
use dispatch_core::{DispatcherId, Envelope, Topic};
use tokio::sync::oneshot;

use super::children::Children;
use super::protocol::{Ping, Submit};
use super::resolve::Resolver;
use crate::aggregator::Aggregator;
use crate::clock::Tick;
use crate::dispatcher::{Link, is_over_budget};
use crate::engine::{Refused, TopicArg};
use crate::flight::{Batch, Extras, Flight, ReplyTo, Way};
use crate::guard::guarded;
use crate::interceptor::{Interceptors, Verdict};
use crate::observer::{Event, Observers};
use crate::shard::Shard;
use crate::trace;

/// Routes envelopes to dispatchers. See the [module](super).
pub(crate) struct Router {
    pub(super) shard: Rc<Shard>,
    pub(super) resolver: Resolver,
    pub(super) children: Children,
    pub(super) aggregator: Addr<Aggregator>,
    pub(super) version: u64,
    pub(super) stopping: bool,
    ids: IdGenerator,
    max_hops: u16,
    interceptors: Rc<RefCell<Interceptors>>,
    pub(super) observers: Rc<RefCell<Observers>>,
    arrivals: VecDeque<Submit>,
    traced: bool,
    /// Whether the envelope in hand is the only one of this turn.
    alone: bool,
    /// How many interceptors have seen the envelope in hand.
    intercepted: usize,
    /// Dropped with the router, which tells the thread that the engine owns that it can end.
    _alive: oneshot::Sender<()>,
}

/// What a router is made of.
pub(crate) struct RouterParts {
    pub(crate) shard: Rc<Shard>,
    pub(crate) resolver: Resolver,
    pub(crate) children: Children,
    pub(crate) aggregator: Addr<Aggregator>,
    pub(crate) seed: u64,
    pub(crate) max_hops: u16,
    pub(crate) interceptors: Rc<RefCell<Interceptors>>,
    pub(crate) observers: Rc<RefCell<Observers>>,
    pub(crate) alive: oneshot::Sender<()>,
}

impl Router {
    pub(crate) fn new(parts: RouterParts) -> Self {
        Self {
            shard: parts.shard,
            resolver: parts.resolver,
            children: parts.children,
            aggregator: parts.aggregator,
            version: 0,
            stopping: false,
            ids: IdGenerator::from_seed(parts.seed),
            max_hops: parts.max_hops,
            interceptors: parts.interceptors,
            observers: parts.observers,
            arrivals: VecDeque::new(),
            traced: false,
            alone: false,
            intercepted: 0,
            _alive: parts.alive,
        }
    }

    /// Routes everything that was in the mailbox.
    fn route_arrivals(&mut self) {
        if self.arrivals.is_empty() {
            return;
        }
        let now = self.shard.clock.now();
        self.shard.clock.keep_up(now);
        self.traced = trace::wanted();
        // With more than one, dispatchers get them together, which costs less.
        self.alone = self.arrivals.len() == 1;
        while let Some(submit) = self.arrivals.pop_front() {
            match submit {
                Submit::One { topic, envelope, route_only, reply } => {
                    let handled = Box::default();
                    let caller = Caller { reply: ReplyTo::One(reply), route_only, now, handled };
                    guarded(|| self.accept(topic, envelope, caller));
                }
                Submit::Rest { topic, envelope, handled, reply } => {
                    let caller = Caller { reply: ReplyTo::One(reply), route_only: false, now, handled };
                    guarded(|| self.accept(topic, envelope, caller));
                }
                Submit::Many { batch, reply } => {
                    self.alone = false;
                    let replies = Batch::new(batch.len(), reply);
                    for (index, (topic, envelope)) in (0..).zip(batch) {
                        let reply = ReplyTo::Batch(Rc::clone(&replies), index);
                        let handled = Box::default();
                        let caller = Caller { reply, route_only: false, now, handled };
                        guarded(|| self.accept(topic, envelope, caller));
                    }
                }
            }
        }
    }

    fn accept(&mut self, topic: TopicArg, mut envelope: Envelope, caller: Caller) {
        self.intercepted = 0;
        let topic = match topic {
            TopicArg::Valid(topic) => topic,
            TopicArg::Refused(refused) => {
                let why = Unroutable::InvalidTopic(refused.error);
                return self.turn_away(refused.text, &envelope, caller, &why);
            }
        };
        let (max_hops, interceptors) = (self.max_hops, self.shard.supervised_results);
        let intercept = interceptors.then_some(|envelope: &mut Envelope| self.intercept(envelope));
        let category = match accept(&topic, &mut envelope, max_hops, intercept) {
            Ok(category) => category,
            Err(NotRouted::Filtered(reason)) => return self.skip(topic, &envelope, caller, &reason),
            Err(NotRouted::Rejected(why)) => return self.reject(&topic, &envelope, caller, &why),
            Err(NotRouted::Unroutable(why)) => {
                return self.turn_away(TopicText::Valid(topic), &envelope, caller, &why);
            }
        };
        let mut way = self.resolver.resolve(&topic, category, &envelope);
        if !caller.handled.is_empty() && !way.links.is_empty() {
            way = Resolver::rest(&way, &caller.handled);
            if way.links.is_empty() {
                return self.skip(topic, &envelope, caller, "every dispatcher has handled it before");
            }
        }
        if way.links.is_empty() {
            let flight = self.open(way, &envelope, caller, None);
            return self.refuse(&flight, &Unroutable::NoDispatcher);
        }
        let route_only = caller.route_only;
        let extras =
            self.shard.keeps_input.then(|| Extras { input: Some(envelope.clone()), ..Extras::default() });
        let flight = self.open(way, &envelope, caller, extras);
        if route_only {
            let duration = self.shard.clock.now().since(flight.started);
            flight.answer_early(DispatchResult::routed(flight.subject(), duration));
        }
        self.hand_over(&topic, envelope, &flight);
    }

    fn intercept(&mut self, envelope: &mut Envelope) -> Result<(), NotRouted> {
        let (verdict, intercepted) = self.interceptors.borrow_mut().before(envelope);
        self.intercepted = intercepted;
        match verdict {
            Verdict::Continue => Ok(()),
            Verdict::Skip(reason) => Err(NotRouted::Filtered(reason)),
            Verdict::Reject(why) => Err(NotRouted::Rejected(why)),
        }
    }

    /// Opens a dispatch: from here on it has ids, and gets its one result.
    fn open(
        &mut self,
        way: Rc<Way>,
        envelope: &Envelope,
        caller: Caller,
        extras: Option<Extras>,
    ) -> Rc<Flight> {
        let dispatch_id =
            self.ids.uuid_v7(self.shard.clock.unix_nanos_at(caller.now) / NANOS_PER_MILLISECOND);
        let identity = Identity::of(envelope, dispatch_id, self.ids.span_id());
        let extras = if self.traced {
            let mut extras = extras.unwrap_or_default();
            extras.span = Some(trace::started(&self.shard.engine, &way.path, &identity));
            Some(extras)
        } else {
            extras
        };
        Flight::new(&self.shard, way, identity, caller.reply, caller.now, extras.map(Box::new))
    }

    /// Hands the envelope to its dispatchers.
    fn hand_over(&self, topic: &Topic, envelope: Envelope, flight: &Rc<Flight>) {
        if self.shard.supervised_results {
            let legs = &flight.way.path.legs;
            self.observers.borrow_mut().notify(&Event::Routed { topic, envelope: &envelope, legs });
        }
        if !self.alone {
            return flight.hand_out(envelope, Link::hand);
        }
        let mut at_once = true;
        flight.hand_out(envelope, |link, job| {
            if at_once {
                // Dispatchers begin in rank order: once one has to wait, so do all behind it.
                at_once = link.hand_at_once(job).is_some_and(|now| !is_over_budget(flight.started, now));
            } else {
                link.hand(job);
            }
        });
    }

    /// Answers an envelope that has no way.
    fn turn_away(&mut self, topic: TopicText, envelope: &Envelope, caller: Caller, why: &Unroutable) {
        let way = Resolver::nowhere(topic, why.category(), envelope.message_type());
        let extras = why.is_category_mismatch().then(|| {
            if self.traced {
                trace::category_mismatch(&way.path);
            }
            Extras { category_mismatch: true, ..Extras::default() }
        });
        let flight = self.open(way, envelope, caller, extras);
        self.refuse(&flight, why);
    }

    /// Answers a dispatch that no dispatcher sees with an error.
    fn refuse(&self, flight: &Flight, why: &Unroutable) {
        let duration = self.shard.clock.now().since(flight.started);
        self.close(flight, DispatchResult::unroutable(flight.subject(), why, duration));
    }

    /// Answers without a result: an interceptor wants none.
    fn reject(&self, topic: &Topic, envelope: &Envelope, caller: Caller, why: &str) {
        self.shard.recorder.borrow_mut().record_rejected();
        self.shard.admission.release(1);
        let why = self.shard.sanitizer.sanitize_text(why);
        self.observers.borrow_mut().notify(&Event::Rejected { topic, envelope, reason: &why });
        caller.reply.send(Err(Refused::Rejected(why)));
    }

    fn skip(&mut self, topic: Topic, envelope: &Envelope, caller: Caller, reason: &str) {
        let category = topic.category();
        let way = Resolver::nowhere(TopicText::Valid(topic), category, envelope.message_type());
        let flight = self.open(way, envelope, caller, None);
        let reason = self.shard.sanitizer.sanitize_text(reason);
        let duration = self.shard.clock.now().since(flight.started);
        self.close(&flight, DispatchResult::filtered(flight.subject(), reason, duration));
    }

    fn close(&self, flight: &Flight, result: DispatchResult) {
        if self.shard.supervised_results {
            self.interceptors.borrow_mut().after_first(self.intercepted, &result);
            self.observers.borrow_mut().notify(&Event::Completed { result: &result });
        }
        flight.answer(result);
    }
}

const NANOS_PER_MILLISECOND: u64 = 1_000_000;

/// Who dispatched, and when.
struct Caller {
    reply: ReplyTo,
    route_only: bool,
    now: Tick,
    /// Who has handled the envelope before, and does not get it.
    handled: Box<[DispatcherId]>,
}

impl Actor for Router {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Routing);
    }
}

/// Runs after the mailbox has been read empty, for as long as the router lives.
struct Routing;

impl ActorFuture<Router> for Routing {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        router: &mut Router,
        _: &mut Context<Router>,
        _: &mut TaskContext<'_>,
    ) -> Poll<()> {
        match &router.shard.subscriber {
            None => guarded(|| router.route_arrivals()),
            Some(_) => {
                let shard = Rc::clone(&router.shard);
                guarded(|| shard.traced(|| router.route_arrivals()))
            }
        };
        Poll::Pending
    }
}

impl Handler<Submit> for Router {
    type Result = ();

    fn handle(&mut self, submit: Submit, _: &mut Self::Context) {
        self.arrivals.push_back(submit);
    }
}

impl Handler<Ping> for Router {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {
        self.shard.pulse.beat();
    }
}
