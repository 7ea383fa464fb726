//! Actors as consumers, made and started again by the bus.
//!
//! - The factory makes the actor when it is connected, and again after each of its deaths, as the restart policy allows.
//!   One that is started again begins anew.
//! - A watch lives in the actor's context and is dropped with it, however it dies; so a death is noticed at once, of an
//!   actor without messages, too.
//! - A factory that panics is a death.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::policy::{RestartDecision, RestartPolicy, RestartState};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{Consume, Mailbox};
use crate::guard::panic_text;

/// An actor that the bus makes.
pub(in crate::bus) struct Supervised {
    start: Box<dyn Fn() -> Alive>,
    restarts: RestartState,
    life: Life,
}

enum Life {
    Alive(Alive),
    /// It is started when this time has come.
    Between(Duration),
    Over,
}

struct Alive {
    recipient: Recipient<Consume>,
    mailbox: Mailbox,
    death: oneshot::Receiver<()>,
    /// Dropped when nobody needs the actor any more.
    _needed: oneshot::Sender<()>,
}

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus) enum Death {
    /// It was known already.
    Known,
    /// The actor is started again after this delay.
    Restarting(Duration),
    /// It is not started again.
    Final,
}

impl Supervised {
    /// An actor that is not started yet.
    pub(in crate::bus) fn new<A>(factory: impl Fn() -> A + 'static, policy: RestartPolicy) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Consume>,
    {
        let start = move || {
            let (alive, death) = oneshot::channel();
            let (needed, unneeded) = oneshot::channel();
            let address = A::create(|ctx| {
                ctx.spawn(Watch { unneeded, _alive: alive });
                factory()
            });
            let recipient = address.recipient();
            let mailbox = Arc::new(recipient.downgrade());
            Alive { recipient, mailbox, death, _needed: needed }
        };
        let (restarts, life) = (RestartState::new(policy), Life::Between(Duration::ZERO));
        Self { start: Box::new(start), restarts, life }
    }

    /// Where its messages go, as long as it is alive.
    pub(in crate::bus) fn recipient(&self) -> Option<(&Recipient<Consume>, &Mailbox)> {
        match &self.life {
            Life::Alive(alive) if alive.recipient.connected() => Some((&alive.recipient, &alive.mailbox)),
            _ => None,
        }
    }

    /// When it is to be started.
    pub(in crate::bus) const fn starts_at(&self) -> Option<Duration> {
        match self.life {
            Life::Between(at) => Some(at),
            Life::Alive(_) | Life::Over => None,
        }
    }

    /// Whether it has died since it was started.
    pub(in crate::bus) fn poll_death(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        match &mut self.life {
            Life::Alive(alive) => alive.death.poll_unpin(cx).map(|_| ()),
            Life::Between(_) | Life::Over => Poll::Pending,
        }
    }

    /// It has died: decides whether it is started again.
    pub(in crate::bus) fn died(&mut self, now: Duration) -> Death {
        if !matches!(self.life, Life::Alive(_)) {
            return Death::Known;
        }
        self.decide(now)
    }

    /// Starts it.
    ///
    /// # Errors
    /// What the factory panicked with, and what follows.
    pub(in crate::bus) fn start(&mut self, now: Duration) -> Result<(), (String, Death)> {
        match catch_unwind(AssertUnwindSafe(|| (self.start)())) {
            Ok(alive) => {
                self.life = Life::Alive(alive);
                Ok(())
            }
            Err(panic) => Err((panic_text(panic), self.decide(now))),
        }
    }

    fn decide(&mut self, now: Duration) -> Death {
        match self.restarts.died(now) {
            RestartDecision::RestartIn(delay) => {
                self.life = Life::Between(now.saturating_add(delay));
                Death::Restarting(delay)
            }
            RestartDecision::GiveUp => {
                self.life = Life::Over;
                Death::Final
            }
        }
    }
}

/// Lives in the context of the actor.
struct Watch {
    unneeded: oneshot::Receiver<()>,
    _alive: oneshot::Sender<()>,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut A, ctx: &mut Context<A>, cx: &mut TaskContext<'_>) -> Poll<()> {
        // Nobody sends anything: this is the end of the other side.
        let _ = ready!(self.unneeded.poll_unpin(cx));
        ctx.stop();
        Poll::Ready(())
    }
}
