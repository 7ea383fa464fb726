use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::unconstrained;

/// Futures at work beside a mailbox. As long as there was none it takes no memory but its own.
pub(in crate::bus) struct Futures<F>(Option<FuturesUnordered<F>>);

impl<F: Future + Unpin> Futures<F> {
    pub(in crate::bus) const fn new() -> Self {
        Self(None)
    }

    pub(in crate::bus) fn push(&mut self, future: F) {
        self.0.get_or_insert_with(FuturesUnordered::new).push(future);
    }

    /// What one of them has come to; `None` if there is none.
    pub(in crate::bus) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match &mut self.0 {
            Some(futures) => futures.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }

    /// Polls each of them, whether it has been woken or not, and however much the task has done in its turn; what those
    /// have come to that are done.
    ///
    /// One that the task had no time for is woken later, and until then nobody can tell that it could go on.
    pub(in crate::bus) fn poll_all(&mut self, cx: &mut Context<'_>) -> Vec<F::Output> {
        let mut done = Vec::new();
        let Some(futures) = self.0.take() else { return done };
        let futures = self.0.insert(futures.into_iter().collect());
        // They pause whenever two of them have woken themselves, so they are asked often enough to come to each.
        let mut pauses = futures.len() / 2 + 1;
        while pauses > 0 {
            let next = poll_fn(|cx| futures.poll_next_unpin(cx));
            match pin!(unconstrained(next)).poll(cx) {
                Poll::Ready(Some(output)) => done.push(output),
                Poll::Ready(None) => break,
                Poll::Pending => pauses -= 1,
            }
        }
        done
    }

    pub(in crate::bus) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, FuturesUnordered::len)
    }

    pub(in crate::bus) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops those that a condition does not hold for, where they stand.
    pub(in crate::bus) fn retain(&mut self, holds: impl FnMut(&F) -> bool) {
        if let Some(futures) = self.0.take() {
            self.0 = Some(futures.into_iter().filter(holds).collect());
        }
    }
}
