//! Actix actors as dispatchers, made and restarted by the engine.
//!
//! - The factory makes the actor when the engine starts, and again after each of its deaths, as the restart
//!   policy allows. A restarted actor begins anew.
//! - Work reaches the actor through a [feed](super::feed) that runs in its own context, under `catch_unwind`: a
//!   panic of the handler is that dispatch's outcome, with its text, and ends this life of the actor.
//! - Any other end (it stops itself, a timer of its own panics, its arbiter dies) is noticed at once: the feed
//!   is dropped with the context.
//! - What was fed and not answered is answered with an error; what comes while the actor is down waits for the
//!   next life; once the actor is given up, everything is answered `dispatcher unavailable`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use actix::prelude::*;
use actix_rt::ArbiterHandle;
use dispatch_core::Envelope;
use dispatch_core::policy::{RestartDecision, RestartState};
use dispatch_metrics::DispatcherEvent;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::feed::{Fed, Feed, Shown};
use super::handler::{Answer, Call, Condition, Fault, Handler as LaneHandler};
use super::{Deliver, Link};
use crate::shard::Shard;
use crate::supervision::Guardian;

/// An actor that can be a dispatcher.
pub(crate) trait Dispatching:
    Actor<Context = Context<Self>> + Handler<Deliver, Result: 'static>
{
}

impl<A: Actor<Context = Context<A>> + Handler<Deliver, Result: 'static>> Dispatching for A {}

/// Makes an actor, again and again.
pub(crate) type Factory<A> = Arc<dyn Fn() -> A + Send + Sync>;

pub(crate) struct SupervisedHandler<A: Actor> {
    factory: Factory<A>,
    arbiter: Option<ArbiterHandle>,
    restarts: RestartState,
    life: Life<A>,
    link: Rc<Link>,
    shard: Rc<Shard>,
    guardian: Rc<Guardian>,
}

enum Life<A: Actor> {
    Alive {
        feed: mpsc::UnboundedSender<Fed>,
        waiting: Arc<AtomicUsize>,
        death: oneshot::Receiver<()>,
        _address: Addr<A>,
    },
    Between(Pin<Box<Sleep>>),
    Over,
}

impl<A: Dispatching> SupervisedHandler<A> {
    pub(crate) fn new(factory: Factory<A>, arbiter: Option<ArbiterHandle>, parts: &super::Parts) -> Self {
        let mut handler = Self {
            factory,
            arbiter,
            restarts: RestartState::new(parts.restart.clone()),
            life: Life::Over,
            link: Rc::clone(&parts.link),
            shard: Rc::clone(&parts.shard),
            guardian: Rc::clone(&parts.guardian),
        };
        handler.begin();
        handler
    }

    fn begin(&mut self) {
        let (feed, fed) = mpsc::unbounded_channel();
        let (alive, death) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let factory = Arc::clone(&self.factory);
        let here = self.arbiter.is_none();
        let shown = Shown(here.then(|| (Arc::clone(&self.shard.pulse), self.link.slot)));
        let create = move |ctx: &mut Context<A>| {
            ctx.spawn(Feed { fed, waiting: counted, shown, _alive: alive });
            factory()
        };
        let made = match &self.arbiter {
            Some(arbiter) => Ok(A::start_in_arbiter(arbiter, create)),
            None => catch_unwind(AssertUnwindSafe(|| A::create(create))),
        };
        match made {
            Ok(address) => self.life = Life::Alive { feed, waiting, death, _address: address },
            Err(panic) => self.died(&Fault::panicked(panic).text(&self.shard.sanitizer)),
        }
    }

    fn died(&mut self, why: &str) {
        self.life = match self.restarts.died(self.shard.clock.now().since_start()) {
            RestartDecision::RestartIn(delay) => {
                self.guardian.restarting(&self.shard, &self.link, delay, why);
                Life::Between(Box::pin(tokio::time::sleep(delay)))
            }
            RestartDecision::GiveUp => {
                self.guardian.down(&self.link, why);
                Life::Over
            }
        };
    }
}

impl<A: Dispatching> LaneHandler for SupervisedHandler<A> {
    type Future = LocalBoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            match &mut self.life {
                Life::Over => return Poll::Ready(()),
                Life::Alive { death, .. } => {
                    if death.poll_unpin(cx).is_pending() {
                        return Poll::Ready(());
                    }
                    self.died("its actor stopped");
                }
                Life::Between(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.begin();
                }
            }
        }
    }

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        let Life::Alive { feed, waiting, .. } = &self.life else {
            return std::future::ready(Err(Fault::Unavailable)).boxed_local();
        };
        let Some(deliver) = Deliver::of(envelope, call) else {
            return std::future::ready(Err(Fault::Stopped)).boxed_local();
        };
        if waiting.load(Ordering::Relaxed) >= self.shard.admission.max() {
            // Time-outs give their permits back while the actor still has their envelopes before it.
            self.shard.recorder.borrow_mut().record_event(self.link.slot, DispatcherEvent::Saturated);
            return std::future::ready(Err(Fault::Saturated)).boxed_local();
        }
        waiting.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let (panicked, panic) = oneshot::channel();
        let sent = feed.send(Fed { deliver, reply, panicked });
        async move {
            if sent.is_err() {
                return Err(Fault::Stopped);
            }
            match answer.await {
                Ok(answer) => answer.map_err(Fault::Error),
                Err(_) => Err(panic.await.unwrap_or(Fault::Stopped)),
            }
        }
        .boxed_local()
    }

    fn condition(&self) -> Condition {
        match &self.life {
            Life::Alive { .. } => Condition::Up,
            Life::Between(_) => Condition::Restarting,
            Life::Over => Condition::Down,
        }
    }
}
