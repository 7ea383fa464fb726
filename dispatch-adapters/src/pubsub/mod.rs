//! `pubsub`: publish and subscribe inside the process, and through a bus where there is one.
//!
//! # Invariants
//! - At most once: an envelope reaches a subscriber once or not at all.
//! - A publisher never waits for a subscriber. What does not fit into a subscriber's queue is lost for that
//!   subscriber, and counted by both.
//! - What a subscriber gets is in the order in which it was published by one publisher.
//! - Publishing takes no lock: the table of subscribers is replaced whole when one comes or goes, which costs time
//!   in proportion to their number.

mod adapter;
mod options;
mod subscribers;
mod subscription;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use dispatch_core::{Envelope, TopicPattern};
use tokio::sync::mpsc;

use subscribers::{Subscriber, Subscribers};

pub use adapter::PubSubAdapter;
pub use options::PubSubOptions;
pub use subscription::Subscription;

/// Publishes envelopes to whoever has subscribed to their topics. A clone is the same instance.
///
/// ```
/// use dispatch_adapters::PubSub;
/// use dispatch_adapters::model::{Envelope, Topic, TopicPattern};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pubsub = PubSub::default();
/// let mut orders = pubsub.subscribe(TopicPattern::new("shop.**")?, 16);
/// let envelope = Envelope::empty("OrderPlaced").with_topic(&Topic::new("shop.order.events")?);
/// assert_eq!(pubsub.publish(&envelope).reached, 1);
/// assert_eq!(orders.recv().await.map(|envelope| envelope.message_type().to_string()).as_deref(), Some("OrderPlaced"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PubSub {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    subscribers: ArcSwap<Subscribers>,
    ids: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    unheard: AtomicU64,
}

/// Whom an envelope has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Subscribers that have it in their queue.
    pub reached: usize,
    /// Subscribers that lost it, because their queue was full.
    pub lost: usize,
}

/// What an instance has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PubSubCounts {
    /// Envelopes published.
    pub published: u64,
    /// Envelopes put into queues.
    pub delivered: u64,
    /// Envelopes that did not fit into a queue.
    pub lost: u64,
    /// Envelopes that nobody had subscribed to.
    pub unheard: u64,
}

impl Default for PubSub {
    fn default() -> Self {
        Self::new(PubSubOptions::INSTANCE)
    }
}

impl PubSub {
    /// An instance with a name, by which a configuration finds it.
    pub fn new(name: impl Into<String>) -> Self {
        let shared = Shared {
            name: name.into(),
            subscribers: ArcSwap::default(),
            ids: AtomicU64::new(0),
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unheard: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Subscribes to the topics that a pattern matches, until the subscription is dropped. At most `capacity`
    /// envelopes wait in its queue, at least one.
    #[must_use = "dropping a subscription ends it"]
    pub fn subscribe(&self, pattern: TopicPattern, capacity: usize) -> Subscription {
        let (sender, receiver) = mpsc::channel(capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
        let id = self.shared.ids.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(Subscriber { id, pattern, sender, lost: AtomicU64::new(0) });
        self.shared.subscribers.rcu(|subscribers| subscribers.with(&subscriber));
        Subscription::new(self.clone(), subscriber, receiver)
    }

    /// Publishes an envelope on its topic. One without a topic reaches nobody.
    pub fn publish(&self, envelope: &Envelope) -> Published {
        let shared = &*self.shared;
        let mut published = Published::default();
        shared.published.fetch_add(1, Ordering::Relaxed);
        if let Some(topic) = envelope.topic() {
            shared.subscribers.load().each(topic, |subscriber| match subscriber.offer(envelope) {
                true => published.reached += 1,
                false => published.lost += 1,
            });
        }
        shared.delivered.fetch_add(published.reached as u64, Ordering::Relaxed);
        shared.lost.fetch_add(published.lost as u64, Ordering::Relaxed);
        if published == Published::default() {
            shared.unheard.fetch_add(1, Ordering::Relaxed);
        }
        published
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> PubSubCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PubSubCounts {
            published: read(&self.shared.published),
            delivered: read(&self.shared.delivered),
            lost: read(&self.shared.lost),
            unheard: read(&self.shared.unheard),
        }
    }

    /// The number of subscriptions.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.shared.subscribers.load().len()
    }

    fn unsubscribe(&self, id: u64) {
        self.shared.subscribers.rcu(|subscribers| subscribers.without(id));
    }
}

impl std::fmt::Debug for PubSub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PubSub")
            .field("name", &self.shared.name)
            .field("subscribers", &self.subscribers())
            .field("counts", &self.counts())
            .finish()
    }
}
