//! How work reaches an actor that the engine made: through a feed in the actor's own context.
//!
//! - A handler's first part, its [`ResponseFuture`] and its [`ResponseActFuture`] run under `catch_unwind`: a
//!   panic is the outcome of that dispatch, with its text. One that may have left the actor's state half changed
//!   (the first part, the `ResponseActFuture`) ends this life of the actor.
//! - Other responses (an [`AtomicResponse`], a type of the actor's own) are answered by actix, without a guard:
//!   a panic in them kills the actor, and everything it has in hand is answered with an error.
//! - What is late is dropped: envelopes that wait, and both kinds of futures.
//! - While a handler runs on the engine's thread, the watchdog can see whose it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use actix::dev::MessageResponse;
use actix::prelude::*;
use dispatch_core::{DispatcherError, Outputs};
use dispatch_metrics::DispatcherSlot;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use super::Deliver;
use super::handler::Fault;
use super::supervised::Dispatching;
use crate::guard::discard;
use crate::watchdog::{Beat, Pulse};

/// What an actor answers.
pub(super) type Delivered = Result<Outputs, DispatcherError>;

/// One message for the actor, with the ways back.
pub(super) struct Fed {
    pub(super) deliver: Deliver,
    pub(super) reply: oneshot::Sender<Delivered>,
    pub(super) panicked: oneshot::Sender<Fault>,
}

/// Runs in the actor's context and hands it its work.
pub(super) struct Feed {
    pub(super) fed: mpsc::UnboundedReceiver<Fed>,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) shown: Shown,
    /// Dropped with the context, which tells the dispatcher that the actor is dead.
    pub(super) _alive: oneshot::Sender<()>,
}

/// Shows the watchdog whose handler runs. Empty on another arbiter, which it does not watch.
#[derive(Clone)]
pub(super) struct Shown(pub(super) Option<(Arc<Pulse>, DispatcherSlot)>);

impl Shown {
    fn enter(&self) -> Option<Beat<'_>> {
        self.0.as_ref().map(|(pulse, slot)| pulse.enter(*slot))
    }
}

impl<A: Dispatching> ActorFuture<A> for Feed {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        ctx: &mut Context<A>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        loop {
            let Some(Fed { deliver, reply, panicked }) = ready!(self.fed.poll_recv(cx)) else {
                // The engine does not need the actor any more.
                ctx.stop();
                return Poll::Ready(());
            };
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if reply.is_closed() {
                // Its time was up before the actor came to it.
                discard(deliver);
                continue;
            }
            let beat = self.shown.enter();
            let handled = catch_unwind(AssertUnwindSafe(|| Handler::handle(actor, deliver, ctx)));
            drop(beat);
            match handled {
                Ok(response) => answer(response, ctx, reply, panicked, &self.shown),
                Err(panic) => {
                    // Told before the reply is dropped, so that whoever waits for it finds the text.
                    let _ = panicked.send(Fault::panicked(panic));
                    drop(reply);
                    ctx.terminate();
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// Runs the two futures that actix knows under a guard, which it would not do, and lets it answer everything else.
fn answer<A: Dispatching>(
    response: A::Result,
    ctx: &mut Context<A>,
    reply: oneshot::Sender<Delivered>,
    panicked: oneshot::Sender<Fault>,
    shown: &Shown,
) {
    let mut response = Some(response);
    if let Some(future) = take::<_, ResponseFuture<Delivered>>(&mut response) {
        actix::spawn(run(future, reply, panicked, shown.clone()));
    } else if let Some(future) = take::<_, ResponseActFuture<A, Delivered>>(&mut response) {
        ctx.spawn(Working { future: Some(future), ways: Some((reply, panicked)), shown: shown.clone() });
    } else if let Some(response) = response {
        response.handle(ctx, Some(reply));
    }
}

/// Takes the response if it is of that type.
fn take<R: 'static, T: 'static>(response: &mut Option<R>) -> Option<T> {
    let any: &mut dyn Any = response;
    any.downcast_mut::<Option<T>>().and_then(Option::take)
}

/// Runs a future that does not see the actor.
async fn run(
    mut future: ResponseFuture<Delivered>,
    mut reply: oneshot::Sender<Delivered>,
    panicked: oneshot::Sender<Fault>,
    shown: Shown,
) {
    let work = std::future::poll_fn(move |cx| {
        let _beat = shown.enter();
        future.as_mut().poll(cx)
    });
    let answered = tokio::select! {
        biased;
        // Its time is up: the future is dropped.
        () = reply.closed() => return,
        answered = AssertUnwindSafe(work).catch_unwind() => answered,
    };
    match answered {
        // Whoever waited may have given up.
        Ok(answer) => drop(reply.send(answer)),
        Err(panic) => {
            let _ = panicked.send(Fault::panicked(panic));
        }
    }
}

/// A future that sees the actor, in the actor's context.
struct Working<A: Actor> {
    future: Option<ResponseActFuture<A, Delivered>>,
    ways: Option<(oneshot::Sender<Delivered>, oneshot::Sender<Fault>)>,
    shown: Shown,
}

impl<A: Dispatching> ActorFuture<A> for Working<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let Self { future, ways, shown } = self.get_mut();
        let (Some(work), Some((reply, _))) = (future.as_mut(), ways.as_mut()) else { return Poll::Ready(()) };
        if reply.poll_closed(cx).is_ready() {
            discard(future.take());
            return Poll::Ready(());
        }
        let beat = shown.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(actor, ctx, cx)));
        drop(beat);
        let answered = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(panic) => Err(Fault::panicked(panic)),
        };
        discard(future.take());
        let Some((reply, panicked)) = ways.take() else { return Poll::Ready(()) };
        match answered {
            // Whoever waited may have given up.
            Ok(answer) => drop(reply.send(answer)),
            Err(fault) => {
                let _ = panicked.send(fault);
                drop(reply);
                ctx.terminate();
            }
        }
        Poll::Ready(())
    }
}
