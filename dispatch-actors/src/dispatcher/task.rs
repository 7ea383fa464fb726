//! One call of a handler that did not answer at once.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tracing::Span;

use super::handler::{Answer, Fault};
use crate::flight::Job;

/// Lets the dispatcher tell a running task that its time is up.
#[derive(Default)]
pub(crate) struct Ticket {
    expired: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Ticket {
    pub(crate) fn expire(&self) {
        self.expired.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }
}

/// A place for a handler's future; the allocation is used again and again.
pub(crate) type Place<F> = Pin<Box<Option<F>>>;

/// Calls a handler, puts its future in a place and polls it for the first time, all under `catch_unwind`.
/// The place is empty again unless the future is pending.
pub(crate) fn begin_in<F: Future<Output = Answer>>(
    place: &mut Place<F>,
    cx: &mut Context<'_>,
    call: impl FnOnce() -> F,
) -> Poll<Answer> {
    guarded(place, |place| {
        place.set(Some(call()));
        poll_once(place, cx)
    })
}

/// Polls the future in a place under `catch_unwind`. The place is empty unless the future is pending.
pub(crate) fn poll_place<F: Future<Output = Answer>>(
    place: &mut Place<F>,
    cx: &mut Context<'_>,
) -> Poll<Answer> {
    guarded(place, |place| poll_once(place, cx))
}

fn poll_once<F: Future<Output = Answer>>(place: &mut Place<F>, cx: &mut Context<'_>) -> Poll<Answer> {
    let Some(future) = place.as_mut().as_pin_mut() else { return Poll::Ready(Err(Fault::Stopped)) };
    let polled = future.poll(cx);
    if polled.is_ready() {
        place.set(None);
    }
    polled
}

fn guarded<F>(place: &mut Place<F>, work: impl FnOnce(&mut Place<F>) -> Poll<Answer>) -> Poll<Answer> {
    match catch_unwind(AssertUnwindSafe(|| work(place))) {
        Ok(polled) => polled,
        Err(panic) => {
            empty(place);
            Poll::Ready(Err(Fault::panicked(panic)))
        }
    }
}

/// Drops the future in a place; what it captured may panic while it is dropped.
pub(crate) fn empty<F>(place: &mut Place<F>) -> Option<Fault> {
    catch_unwind(AssertUnwindSafe(|| place.set(None))).err().map(Fault::panicked)
}

/// A handler's future with the piece of work it is for.
pub(crate) struct Task<F> {
    pub(crate) place: Option<Place<F>>,
    pub(crate) job: Option<Job>,
    pub(crate) ticket: Rc<Ticket>,
    /// The time-out that was in force when it began.
    pub(crate) limit: Duration,
    pub(crate) span: Option<Box<Span>>,
}

/// A task that has ended; its place can be used again.
pub(crate) struct Ended<F> {
    pub(crate) place: Option<Place<F>>,
    pub(crate) job: Option<Job>,
    pub(crate) limit: Duration,
    pub(crate) span: Option<Box<Span>>,
    /// `None` if its time was up.
    pub(crate) answer: Option<Answer>,
}

impl<F: Future<Output = Answer>> Future for Task<F> {
    type Output = Ended<F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = match &mut this.place {
            _ if this.ticket.is_expired() => None,
            Some(place) => {
                let polled = match &this.span {
                    Some(span) => span.in_scope(|| poll_place(place, cx)),
                    None => poll_place(place, cx),
                };
                match polled {
                    Poll::Ready(answer) => Some(answer),
                    Poll::Pending => {
                        this.ticket.waker.set(Some(cx.waker().clone()));
                        return Poll::Pending;
                    }
                }
            }
            None => Some(Err(Fault::Stopped)),
        };
        if answer.is_none()
            && let Some(place) = &mut this.place
        {
            // A late future is dropped here; if that panics, the outcome is a time-out all the same.
            empty(place);
        }
        Poll::Ready(Ended {
            place: this.place.take(),
            job: this.job.take(),
            limit: this.limit,
            span: this.span.take(),
            answer,
        })
    }
}
