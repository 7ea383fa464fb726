use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_core::dispatch::{DispatchResult, Failure, Identity, Subject, TopicText};
use dispatch_core::error::ErrorCode;
use dispatch_core::ids::IdGenerator;
use dispatch_core::time::unix_millis;
use dispatch_core::{DispatchStatus, Envelope, Topic};
use tokio::sync::oneshot;

use super::children::Children;
use super::protocol::{Ping, Submit};
use super::resolve::Resolver;
use crate::aggregator::Aggregator;
use crate::clock::Tick;
use crate::engine::{Refused, TopicArg};
use crate::flight::{Batch, Flight, Gather, Job, ReplyTo, Way};
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
    ids: IdGenerator,
    max_hops: u16,
    interceptors: Rc<RefCell<Interceptors>>,
    observers: Rc<RefCell<Observers>>,
    arrivals: Vec<Submit>,
    traced: bool,
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
            ids: IdGenerator::from_seed(parts.seed),
            max_hops: parts.max_hops,
            interceptors: parts.interceptors,
            observers: parts.observers,
            arrivals: Vec::new(),
            traced: false,
            _alive: parts.alive,
        }
    }

    /// Routes everything that was in the mailbox.
    fn route_arrivals(&mut self) {
        if self.arrivals.is_empty() {
            return;
        }
        let now = self.shard.clock.now();
        self.traced = trace::wanted();
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for submit in arrivals.drain(..) {
            match submit {
                Submit::One { topic, envelope, route_only, reply } => {
                    self.accept(topic, envelope, ReplyTo::One(reply), route_only, now);
                }
                Submit::Many { batch, reply } => {
                    let replies = Batch::new(batch.len(), reply);
                    for (index, (topic, envelope)) in batch.into_iter().enumerate() {
                        self.accept(topic, envelope, ReplyTo::Batch(Rc::clone(&replies), index), false, now);
                    }
                }
            }
        }
        self.arrivals = arrivals;
    }

    fn accept(
        &mut self,
        topic: TopicArg,
        mut envelope: Envelope,
        reply: ReplyTo,
        route_only: bool,
        now: Tick,
    ) {
        let topic = match topic {
            TopicArg::Valid(topic) => topic,
            TopicArg::Refused { text, error } => {
                return self.invalid(text, &envelope, reply, format!("Invalid topic: {error}."), now);
            }
        };
        envelope.set_topic(&topic);
        let verdict = {
            let mut interceptors = self.interceptors.borrow_mut();
            if interceptors.0.is_empty() { Verdict::Continue } else { interceptors.before(&mut envelope) }
        };
        match verdict {
            Verdict::Continue => {}
            Verdict::Skip(reason) => return self.skip(&topic, &envelope, reply, &reason, now),
            Verdict::Reject(why) => {
                self.shard.admission.release(1);
                let why = self.shard.sanitizer.sanitize_text(&why);
                return reply.send(Err(Refused::Rejected(why)));
            }
        }
        if envelope.hops() > self.max_hops {
            let text = TopicText::Valid(topic);
            let why = format!(
                "Envelope has made {} hops, more than max_hops ({}): its outputs lead back to it.",
                envelope.hops(),
                self.max_hops
            );
            return self.invalid(text, &envelope, reply, why, now);
        }
        let Some(category) = topic.category() else {
            let why = format!(
                "Cannot infer message category from topic '{topic}'. Topic must contain an events, commands or intents segment."
            );
            return self.invalid(TopicText::Valid(topic), &envelope, reply, why, now);
        };
        if let Some(own) = envelope.category().filter(|own| *own != category) {
            let why =
                format!("Envelope category '{own}' does not match category '{category}' of topic '{topic}'.");
            let way = Resolver::nowhere(TopicText::Valid(topic), Some(category), envelope.message_type());
            if self.traced {
                trace::category_mismatch(&way);
            }
            let mut flight = self.flight(way, &envelope, reply, now);
            flight.category_mismatch = true;
            return self.refuse(flight, DispatchStatus::InvalidMessage, ErrorCode::ValidationError, why);
        }
        let message_type = envelope.message_type();
        let way = self.resolver.resolve(&topic, category, &message_type);
        let mut flight = self.flight(way, &envelope, reply, now);
        if self.traced {
            flight.span = Some(trace::started(&self.shard.engine, &flight));
        }
        if flight.way.targets.is_empty() {
            let why = format!(
                "No dispatcher registered for category '{category}' and message type '{message_type}' matching topic '{topic}'."
            );
            return self.refuse(flight, DispatchStatus::NoDispatcher, ErrorCode::ItemNotRegistered, why);
        }
        if route_only {
            self.answer_routed(&mut flight, now);
        }
        self.hand_over(&topic, envelope, flight);
    }

    fn flight(&mut self, way: Rc<Way>, envelope: &Envelope, reply: ReplyTo, now: Tick) -> Flight {
        let trace = envelope.trace();
        let wall = self.shard.clock.wall_at(now);
        let identity = Identity {
            dispatch_id: self.ids.uuid_v7(unix_millis(wall)),
            correlation_id: envelope.correlation_id().unwrap_or_else(|| self.ids.uuid_v4()),
            trace_id: trace.map_or_else(|| self.ids.trace_id(), |trace| trace.trace_id),
            span_id: self.ids.span_id(),
        };
        Flight { identity, way, reply, started: now, category_mismatch: false, input: None, span: None }
    }

    /// Hands the envelope to its dispatchers.
    fn hand_over(&self, topic: &Topic, envelope: Envelope, mut flight: Flight) {
        if self.shard.keeps_input {
            flight.input = Some(envelope.clone());
        }
        let way = Rc::clone(&flight.way);
        let mut observers = self.observers.borrow_mut();
        if !observers.0.is_empty() {
            observers.notify(&Event::Routed { topic, envelope: &envelope, legs: &way.path.legs });
        }
        drop(observers);
        if let [only] = &*way.targets {
            only.hand(Job::whole(&self.shard, envelope, flight));
            return;
        }
        let gather = Gather::new(&self.shard, flight);
        let mut envelope = Some(envelope);
        let last = way.targets.len() - 1;
        for (index, target) in (0..).zip(&*way.targets) {
            let own = if index as usize == last { envelope.take() } else { envelope.clone() };
            if let Some(own) = own {
                target.hand(Job::leg(own, &gather, index));
            }
        }
    }

    /// Tells the caller of `route` that the envelope is on its way.
    fn answer_routed(&self, flight: &mut Flight, now: Tick) {
        let subject = self.subject(flight);
        let duration = self.shard.clock.now().since(now);
        let reply = std::mem::replace(&mut flight.reply, ReplyTo::Nobody);
        reply.send(Ok(DispatchResult::routed(subject, duration)));
    }

    fn subject(&self, flight: &Flight) -> Subject {
        Subject {
            identity: flight.identity,
            path: std::sync::Arc::clone(&flight.way.path),
            started_at: self.shard.clock.wall_at(flight.started),
        }
    }

    fn invalid(&mut self, topic: TopicText, envelope: &Envelope, reply: ReplyTo, why: String, now: Tick) {
        let way = Resolver::nowhere(topic, None, envelope.message_type());
        let mut flight = self.flight(way, envelope, reply, now);
        if self.traced {
            flight.span = Some(trace::started(&self.shard.engine, &flight));
        }
        self.refuse(flight, DispatchStatus::InvalidMessage, ErrorCode::ValidationError, why);
    }

    /// Answers a dispatch that no dispatcher sees with an error.
    fn refuse(&self, flight: Flight, status: DispatchStatus, code: ErrorCode, message: String) {
        let duration = self.shard.clock.now().since(flight.started);
        let failure = Failure { code, message };
        let result = DispatchResult::unhandled(self.subject(&flight), status, failure, duration);
        self.close(flight, result);
    }

    fn skip(&mut self, topic: &Topic, envelope: &Envelope, reply: ReplyTo, reason: &str, now: Tick) {
        let text = TopicText::Valid(topic.clone());
        let way = Resolver::nowhere(text, topic.category(), envelope.message_type());
        let flight = self.flight(way, envelope, reply, now);
        let reason = self.shard.sanitizer.sanitize_text(reason);
        let duration = self.shard.clock.now().since(now);
        let result = DispatchResult::filtered(self.subject(&flight), reason, duration);
        self.close(flight, result);
    }

    fn close(&self, flight: Flight, result: DispatchResult) {
        self.interceptors.borrow_mut().after(&result);
        self.observers.borrow_mut().notify(&Event::Completed { result: &result });
        flight.answer(&self.shard, result);
    }
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
            None => router.route_arrivals(),
            Some(_) => {
                let shard = Rc::clone(&router.shard);
                shard.traced(|| router.route_arrivals());
            }
        }
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
