use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Offset;
use crate::topic::Topic;

/// The heads of topics, and who waits for them to move: what a log in this process needs for
/// [`TopicLog::tail`](super::TopicLog::tail).
///
/// - A head moves back only if the log has [lost its end](Self::fall).
/// - Whoever asks for a head that is past what they have seen gets it at once, so no wake-up is lost.
#[derive(Debug, Default)]
pub struct Tails(Mutex<HashMap<Topic, Tail>>);

#[derive(Debug, Default)]
struct Tail {
    head: Offset,
    waiting: Vec<Waker>,
}

impl Tails {
    /// The head of a topic is here now.
    pub fn advance(&self, topic: &Topic, head: Offset) {
        let mut tails = self.tails();
        let tail = match tails.get_mut(topic) {
            Some(tail) => tail,
            None => tails.entry(topic.clone()).or_default(),
        };
        if head <= tail.head {
            return;
        }
        tail.head = head;
        let waiting = std::mem::take(&mut tail.waiting);
        // Not under the lock: a waker may do work.
        drop(tails);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// A log has lost its end: the head of a topic, if it is still this one, is there now.
    pub fn fall(&self, topic: &Topic, from: Offset, to: Offset) {
        if let Some(tail) = self.tails().get_mut(topic).filter(|tail| tail.head == from) {
            tail.head = tail.head.min(to);
        }
    }

    /// The head of a topic, as far as was heard.
    #[must_use]
    pub fn head(&self, topic: &Topic) -> Offset {
        self.tails().get(topic).map_or(Offset::ZERO, |tail| tail.head)
    }

    /// Wakes everybody, so that they see that the log was closed.
    pub fn wake_all(&self) {
        let waiting: Vec<_> =
            self.tails().values_mut().flat_map(|tail| std::mem::take(&mut tail.waiting)).collect();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until a head is past `seen`, or until `closed` says so.
    pub fn wait<'a>(
        &'a self,
        topic: &'a Topic,
        seen: Offset,
        closed: impl Fn() -> bool + Send + Unpin + 'a,
    ) -> impl Future<Output = Option<Offset>> + Send + 'a {
        Wait { tails: self, topic, seen, closed }
    }

    fn tails(&self) -> MutexGuard<'_, HashMap<Topic, Tail>> {
        // Nothing is half done when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wait<'a, C> {
    tails: &'a Tails,
    topic: &'a Topic,
    seen: Offset,
    closed: C,
}

impl<C: Fn() -> bool + Unpin> Future for Wait<'_, C> {
    type Output = Option<Offset>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Offset>> {
        let mut tails = self.tails.tails();
        if (self.closed)() {
            return Poll::Ready(None);
        }
        let tail = tails.entry(self.topic.clone()).or_default();
        if tail.head > self.seen {
            return Poll::Ready(Some(tail.head));
        }
        if !tail.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            tail.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
