//! Actix actors as dispatchers, by their address: the caller owns the actor.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use actix::dev::RecipientRequest;
use actix::prelude::*;
use dispatch_core::dispatcher::Context as DispatchContext;
use dispatch_core::{DispatcherError, Envelope, Outputs};
use dispatch_metrics::DispatcherEvent;
use futures_util::FutureExt;
use futures_util::future::{Either, Ready, ready as at_once};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::handler::{Answer, Call, Condition, Fault, Handler as LaneHandler};
use crate::admission::Admission;
use crate::guard::discard;
use crate::supervision::Guardian;

/// The message that an actor handles to be a dispatcher.
///
/// ```
/// use actix::prelude::*;
/// use dispatch_actors::Deliver;
/// use dispatch_core::{DispatcherError, Outputs};
///
/// #[derive(Default)]
/// struct Counter { seen: u64 }
///
/// impl Actor for Counter {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Deliver> for Counter {
///     type Result = Result<Outputs, DispatcherError>;
///
///     fn handle(&mut self, deliver: Deliver, _: &mut Context<Self>) -> Self::Result {
///         self.seen += 1;
///         println!("{} on {}", self.seen, deliver.context.topic);
///         Ok(Outputs::none())
///     }
/// }
/// ```
#[derive(Debug, Message)]
#[rtype(result = "Result<Outputs, DispatcherError>")]
pub struct Deliver {
    /// What was dispatched.
    pub envelope: Envelope,
    /// What is known about the dispatch.
    pub context: DispatchContext,
}

impl Deliver {
    pub(crate) fn of(envelope: Envelope, call: &Call<'_>) -> Option<Self> {
        let context = call.context(&envelope)?;
        Some(Self { envelope, context })
    }
}

/// Mails envelopes to an actor.
///
/// An actix mailbox takes everything, and what is in it cannot be taken back: a time-out gives the permit back while
/// the actor still has the envelope before it. So what is late is counted until the actor has come to it, and there
/// are at most as many of these as dispatches may be in flight; then the dispatcher is saturated.
pub(crate) struct MailHandler {
    recipient: Recipient<Deliver>,
    guardian: Rc<Guardian>,
    late: Rc<Late>,
    max: Arc<Admission>,
}

/// What was mailed and is not waited for any more.
type Late = RefCell<FuturesUnordered<Pin<Box<RecipientRequest<Deliver>>>>>;

impl MailHandler {
    pub(crate) fn new(recipient: Recipient<Deliver>, guardian: Rc<Guardian>, max: Arc<Admission>) -> Self {
        Self { recipient, guardian, late: Rc::default(), max }
    }
}

/// An answer that is waited for.
pub(crate) struct Mailed {
    request: Option<Pin<Box<RecipientRequest<Deliver>>>>,
    late: Rc<Late>,
}

impl Future for Mailed {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        let Some(request) = &mut self.request else { return Poll::Ready(Err(Fault::Stopped)) };
        let answered = ready!(request.poll_unpin(cx));
        self.request = None;
        Poll::Ready(answered.map_err(|_| Fault::Stopped)?.map_err(Fault::Error))
    }
}

impl Drop for Mailed {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.late.borrow().push(request);
        }
    }
}

impl LaneHandler for MailHandler {
    type Future = Either<Mailed, Ready<Answer>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut late = self.late.borrow_mut();
        // A late answer may be a panicking destructor's.
        while let Poll::Ready(Some(answer)) = late.poll_next_unpin(cx) {
            discard(answer);
        }
        Poll::Ready(())
    }

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        if !self.recipient.connected() {
            self.guardian.down(call.link, "its actor is gone");
            return Either::Right(at_once(Err(Fault::Unavailable)));
        }
        match Deliver::of(envelope, call) {
            Some(_) if self.late.borrow().len() >= self.max.max() => {
                call.shard.recorder.borrow_mut().record_event(call.link.slot, DispatcherEvent::Saturated);
                Either::Right(at_once(Err(Fault::Saturated)))
            }
            Some(deliver) => {
                let request = Some(Box::pin(self.recipient.send(deliver)));
                Either::Left(Mailed { request, late: Rc::clone(&self.late) })
            }
            None => Either::Right(at_once(Err(Fault::Stopped))),
        }
    }

    fn condition(&self) -> Condition {
        if self.recipient.connected() { Condition::Up } else { Condition::Down }
    }
}
