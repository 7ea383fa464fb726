use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How often something has changed in a queue that may be worth a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wakeup(u64);

/// Who waits for something to claim: what a queue needs for [`MessageQueue::wait`](super::MessageQueue::wait).
///
/// Whoever has seen less than there was is not made to wait, so no wake-up is lost between a claim and the wait
/// that follows it.
#[derive(Debug, Default)]
pub struct Wakeups(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    count: u64,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Wakeups {
    /// What there was by now.
    #[must_use]
    pub fn seen(&self) -> Wakeup {
        Wakeup(self.state().count)
    }

    /// Something may be there to claim: everybody looks.
    pub fn wake(&self) {
        let mut state = self.state();
        state.count += 1;
        let waiting = std::mem::take(&mut state.waiting);
        // Not under the lock: a waker may do work.
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// There will be nothing any more.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake();
    }

    /// Waits until there was more than has been seen; `None` once there will be nothing any more.
    pub fn wait(&self, seen: Wakeup) -> impl Future<Output = Option<Wakeup>> + Send + '_ {
        Wait { wakeups: self, seen }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wait<'a> {
    wakeups: &'a Wakeups,
    seen: Wakeup,
}

impl Future for Wait<'_> {
    type Output = Option<Wakeup>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Wakeup>> {
        let mut state = self.wakeups.state();
        if state.closed {
            return Poll::Ready(None);
        }
        if state.count != self.seen.0 {
            return Poll::Ready(Some(Wakeup(state.count)));
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
