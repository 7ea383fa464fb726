use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_core::dispatch::{DispatchResult, Failure, Identity, TopicText};
use dispatch_core::error::ErrorCode;
use dispatch_core::ids::IdGenerator;
use dispatch_core::{Category, DispatchStatus, Envelope, Topic};
use tokio::sync::oneshot;

use super::children::Children;
use super::protocol::{Ping, Submit};
use super::resolve::Resolver;
use crate::aggregator::Aggregator;
use crate::clock::Tick;
use crate::collector::Sample;
use crate::engine::{Refused, TopicArg};
use crate::flight::{Batch, Extras, Flight, Job, ReplyTo, Way};
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
    arrivals: Vec<Submit>,
    traced: bool,
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
            arrivals: Vec::new(),
            traced: false,
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
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for submit in arrivals.drain(..) {
            match submit {
                Submit::One { topic, envelope, route_only, reply } => {
                    let caller = Caller { reply: ReplyTo::One(reply), route_only, now };
                    guarded(|| self.accept(topic, envelope, caller));
                }
                Submit::Many { batch, reply } => {
                    let replies = Batch::new(batch.len(), reply);
                    for (index, (topic, envelope)) in (0..).zip(batch) {
                        let reply = ReplyTo::Batch(Rc::clone(&replies), index);
                        let caller = Caller { reply, route_only: false, now };
                        guarded(|| self.accept(topic, envelope, caller));
                    }
                }
            }
        }
        self.arrivals = arrivals;
    }

    fn accept(&mut self, topic: TopicArg, mut envelope: Envelope, caller: Caller) {
        self.intercepted = 0;
        let topic = match topic {
            TopicArg::Valid(topic) => topic,
            TopicArg::Refused(refused) => {
                let why = format!("Invalid topic: {}.", refused.error);
                return self.invalid(refused.text, &envelope, caller, why);
            }
        };
        envelope.set_topic(&topic);
        match self.intercept(&mut envelope) {
            // An interceptor may change the envelope, but not where it goes.
            Verdict::Continue => envelope.set_topic(&topic),
            Verdict::Skip(reason) => return self.skip(topic, &envelope, caller, &reason),
            Verdict::Reject(why) => {
                self.shard.sample(Sample::Rejected);
                self.shard.admission.release(1);
                let why = self.shard.sanitizer.sanitize_text(&why);
                let event = Event::Rejected { topic: &topic, envelope: &envelope, reason: &why };
                self.observers.borrow_mut().notify(&event);
                return caller.reply.send(Err(Refused::Rejected(why)));
            }
        }
        if envelope.hops() > self.max_hops {
            let (hops, most) = (envelope.hops(), self.max_hops);
            let why = format!(
                "Envelope has made {hops} hops, more than max_hops ({most}): its outputs lead back to it."
            );
            return self.invalid(TopicText::Valid(topic), &envelope, caller, why);
        }
        let Some(category) = topic.category() else {
            let why = format!(
                "Cannot infer message category from topic '{topic}'. Topic must contain an events, commands or intents segment."
            );
            return self.invalid(TopicText::Valid(topic), &envelope, caller, why);
        };
        if let Some(own) = envelope.category().filter(|own| *own != category) {
            return self.mismatch(topic, category, own, &envelope, caller);
        }
        let way = self.resolver.resolve(&topic, category, &envelope);
        if way.targets.is_empty() {
            let why = format!(
                "No dispatcher registered for category '{category}' and message type '{}' matching topic '{topic}'.",
                envelope.message_type_str()
            );
            let flight = self.open(way, &envelope, caller, None);
            return self.refuse(&flight, DispatchStatus::NoDispatcher, ErrorCode::ItemNotRegistered, why);
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

    fn intercept(&mut self, envelope: &mut Envelope) -> Verdict {
        if !self.shard.supervised_results {
            return Verdict::Continue;
        }
        let (verdict, intercepted) = self.interceptors.borrow_mut().before(envelope);
        self.intercepted = intercepted;
        verdict
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
        let identity = Identity {
            dispatch_id,
            correlation_id: envelope.correlation_id().unwrap_or(dispatch_id),
            trace_id: envelope.trace().map_or_else(|| dispatch_id.into(), |trace| trace.trace_id),
            span_id: self.ids.span_id(),
        };
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
        let Some((last, others)) = flight.way.targets.split_last() else { return };
        let mut index = 0;
        for target in others {
            target.hand(Job::new(envelope.clone(), Rc::clone(flight), index));
            index += 1;
        }
        last.hand(Job::new(envelope, Rc::clone(flight), index));
    }

    fn invalid(&mut self, topic: TopicText, envelope: &Envelope, caller: Caller, why: String) {
        let way = Resolver::nowhere(topic, None, envelope.message_type());
        let flight = self.open(way, envelope, caller, None);
        self.refuse(&flight, DispatchStatus::InvalidMessage, ErrorCode::ValidationError, why);
    }

    fn mismatch(
        &mut self,
        topic: Topic,
        category: Category,
        own: Category,
        envelope: &Envelope,
        caller: Caller,
    ) {
        let why =
            format!("Envelope category '{own}' does not match category '{category}' of topic '{topic}'.");
        let way = Resolver::nowhere(TopicText::Valid(topic), Some(category), envelope.message_type());
        if self.traced {
            trace::category_mismatch(&way.path);
        }
        let extras = Extras { category_mismatch: true, ..Extras::default() };
        let flight = self.open(way, envelope, caller, Some(extras));
        self.refuse(&flight, DispatchStatus::InvalidMessage, ErrorCode::ValidationError, why);
    }

    /// Answers a dispatch that no dispatcher sees with an error.
    fn refuse(&self, flight: &Flight, status: DispatchStatus, code: ErrorCode, message: String) {
        let duration = self.shard.clock.now().since(flight.started);
        let failure = Failure { code, message };
        self.close(flight, DispatchResult::unhandled(flight.subject(), status, failure, duration));
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
        self.arrivals.push(submit);
    }
}

impl Handler<Ping> for Router {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {
        self.shard.pulse.beat();
    }
}
