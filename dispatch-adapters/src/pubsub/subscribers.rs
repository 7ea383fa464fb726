use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dispatch_core::matcher::{Matcher, Scratch};
use dispatch_core::{Envelope, Topic, TopicPattern};
use tokio::sync::mpsc;

/// One who has subscribed.
pub(super) struct Subscriber {
    pub(super) id: u64,
    pub(super) pattern: TopicPattern,
    pub(super) sender: mpsc::Sender<Envelope>,
    pub(super) lost: AtomicU64,
}

impl Subscriber {
    /// Whether there was room.
    pub(super) fn offer(&self, envelope: &Envelope) -> bool {
        let taken = self.sender.try_send(envelope.clone()).is_ok();
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// All who have subscribed, ready to be found; never changes.
#[derive(Default)]
pub(super) struct Subscribers {
    all: Vec<Arc<Subscriber>>,
    /// The ranks are positions in the list.
    matcher: Matcher,
}

impl Subscribers {
    fn of(all: Vec<Arc<Subscriber>>) -> Self {
        let ranked = all.iter().zip(0..).map(|(subscriber, rank)| (subscriber.pattern.clone(), rank));
        Self { matcher: ranked.collect(), all }
    }

    pub(super) fn with(&self, subscriber: &Arc<Subscriber>) -> Self {
        Self::of(self.all.iter().chain([subscriber]).cloned().collect())
    }

    pub(super) fn without(&self, id: u64) -> Self {
        Self::of(self.all.iter().filter(|subscriber| subscriber.id != id).cloned().collect())
    }

    /// Calls each who has subscribed to the topic, in the order in which they subscribed.
    pub(super) fn each(&self, topic: &Topic, mut call: impl FnMut(&Subscriber)) {
        let mut ranks = Vec::new();
        self.matcher.find(topic, &mut Scratch::new(), &mut ranks);
        for subscriber in ranks.into_iter().filter_map(|rank| self.all.get(rank as usize)) {
            call(subscriber);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
