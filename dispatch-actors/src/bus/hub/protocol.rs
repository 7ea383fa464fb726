use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::log::{LogEntry, Offset};
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_core::{Adapter, Topic};
use serde::Serialize;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::Hub;
use crate::bus::BusError;
use crate::bus::subscription::Subscription;

/// What became of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Published {
    /// Its place in the log; none on a transient topic, and of a duplicate.
    pub offset: Option<Offset>,
    /// Whether the same envelope had been published on this topic already, so that it was not published again. The first
    /// one is in the log by then.
    pub duplicate: bool,
}

/// The answer to a batch.
pub(in crate::bus) type PublishReply = oneshot::Sender<Result<Few<Published>, BusError>>;

/// A list that mostly has one item.
pub(in crate::bus) type Few<T> = SmallVec<[T; 1]>;

/// Append these to a topic.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Publish {
    pub(in crate::bus) topic: Topic,
    pub(in crate::bus) entries: Few<LogEntry>,
    pub(in crate::bus) reply: PublishReply,
}

/// Open a subscription.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Open {
    pub(in crate::bus) config: SubscriptionConfig,
    pub(in crate::bus) dead_letters: Option<Arc<dyn Adapter>>,
    /// Go on at the head of a log that ends below the cursor.
    pub(in crate::bus) accept_loss: bool,
    pub(in crate::bus) reply: oneshot::Sender<Result<Subscription, BusError>>,
}

/// Forget a subscription, its cursors and what it parked.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Unsubscribe {
    pub(in crate::bus) name: String,
    pub(in crate::bus) reply: oneshot::Sender<Result<(), BusError>>,
}

/// The subscription of this name, if it is open.
#[derive(Message)]
#[rtype(result = "Option<Subscription>")]
pub(in crate::bus) struct Find(pub(in crate::bus) String);

/// Every subscription that is open.
#[derive(Message)]
#[rtype(result = "Vec<Subscription>")]
pub(in crate::bus) struct List;

/// A subscription has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Forget {
    pub(in crate::bus) name: String,
    /// Which of those that had this name one after the other.
    pub(in crate::bus) number: u64,
}

/// Take nothing more; answer when everything that was taken is in the log or was refused, or when it is time.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Drain {
    pub(in crate::bus) deadline: Duration,
    pub(in crate::bus) reply: oneshot::Sender<Drained>,
}

/// Nothing more is taken.
pub(in crate::bus) struct Drained {
    /// The time until the deadline.
    pub(in crate::bus) left: Duration,
    /// Messages that were taken and are not in the log.
    pub(in crate::bus) unwritten: usize,
}

/// End.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct End;

/// Nobody has a handle any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Unheld;

/// What the handles of a bus and of its subscriptions share: the bus ends when the last of them is dropped.
pub(in crate::bus) struct Held(Addr<Hub>);

impl Held {
    pub(in crate::bus) fn new(hub: Addr<Hub>) -> Arc<Self> {
        Arc::new(Self(hub))
    }

    pub(in crate::bus) const fn hub(&self) -> &Addr<Hub> {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.do_send(Unheld);
    }
}
