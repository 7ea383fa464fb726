//! Waiting for an answer of the engine's thread, with an eye on whether that thread still moves.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot::{self, error::RecvError};
use tokio::time::{Instant, Sleep};

use crate::watchdog::Watchdog;

/// An answer on its way; an error if the engine's thread has ended.
pub(super) struct Answer<T> {
    answer: oneshot::Receiver<T>,
    patience: Option<Box<Patience<T>>>,
}

/// What a caller on another thread needs to give up on an engine whose thread does not move.
///
/// A thread that moves keeps its own deadlines, so only a thread that shows no sign of life for the whole of
/// `limit` is given up on, whatever its dispatchers' time-outs are.
pub(super) struct Patience<T> {
    watchdog: Arc<Watchdog>,
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    /// The sign of life seen last, and for how long there was no other.
    seen: u64,
    still: Duration,
    give_up: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> Patience<T> {
    /// How many looks there are in `limit`.
    const LOOKS: u32 = 4;

    pub(super) fn new(
        watchdog: &Arc<Watchdog>,
        limit: Duration,
        give_up: impl Fn() -> T + Send + Sync + 'static,
    ) -> Box<Self> {
        Box::new(Self {
            timer: Box::pin(watchdog.sleep(limit / Self::LOOKS)),
            seen: watchdog.beats(),
            watchdog: Arc::clone(watchdog),
            limit,
            still: Duration::ZERO,
            give_up: Box::new(give_up),
        })
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let step = self.limit / Self::LOOKS;
        while self.timer.as_mut().poll(cx).is_ready() {
            let beats = self.watchdog.beats();
            self.still = if beats == self.seen { self.still + step } else { Duration::ZERO };
            self.seen = beats;
            if self.still >= self.limit {
                return Poll::Ready((self.give_up)());
            }
            self.timer.as_mut().reset(Instant::now() + step);
        }
        Poll::Pending
    }
}

impl<T> Answer<T> {
    pub(super) fn new(answer: oneshot::Receiver<T>, patience: Option<Box<Patience<T>>>) -> Self {
        Self { answer, patience }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answer, patience } = self.get_mut();
        match patience {
            // Handed on as it is: a result is large, and to look at it first would be a copy.
            None => Pin::new(answer).poll(cx),
            Some(patience) => match Pin::new(answer).poll(cx) {
                Poll::Pending => patience.poll(cx).map(Ok),
                answered => answered,
            },
        }
    }
}
