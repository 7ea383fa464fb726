use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dispatch_core::{Envelope, TopicPattern};
use tokio::sync::mpsc;

use super::PubSub;
use super::subscribers::Subscriber;

/// What was published on some topics since it was made; dropping it unsubscribes.
///
/// It keeps its [`PubSub`] alive, so it ends only by being dropped.
pub struct Subscription {
    pubsub: PubSub,
    subscriber: Arc<Subscriber>,
    queue: mpsc::Receiver<Envelope>,
}

impl Subscription {
    pub(super) fn new(pubsub: PubSub, subscriber: Arc<Subscriber>, queue: mpsc::Receiver<Envelope>) -> Self {
        Self { pubsub, subscriber, queue }
    }

    /// The next envelope. Dropping the future loses none.
    pub async fn recv(&mut self) -> Option<Envelope> {
        self.queue.recv().await
    }

    /// The next envelope, if one is there.
    pub fn try_recv(&mut self) -> Option<Envelope> {
        self.queue.try_recv().ok()
    }

    /// Envelopes that were lost, because they did not fit into the queue.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.subscriber.lost.load(Ordering::Relaxed)
    }

    /// What it subscribes to.
    #[must_use]
    pub fn pattern(&self) -> &TopicPattern {
        &self.subscriber.pattern
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.pubsub.unsubscribe(self.subscriber.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("pattern", &self.subscriber.pattern)
            .field("waiting", &self.queue.len())
            .field("lost", &self.lost())
            .finish()
    }
}
