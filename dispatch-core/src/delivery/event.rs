use std::sync::Arc;
use std::time::Duration;

use super::DeliveryErrorKind;
use crate::policy::{BreakerPhase, RefusedBy};

/// Who delivers where; the labels of every metric, log line and event of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryLabels {
    /// Name of the adapter, such as `webhook`.
    pub adapter: Arc<str>,
    /// The destination; a URL without user information and query.
    pub destination: Arc<str>,
}

impl DeliveryLabels {
    /// Labels of an adapter and its destination.
    pub fn new(adapter: impl Into<Arc<str>>, destination: impl Into<Arc<str>>) -> Self {
        Self { adapter: adapter.into(), destination: destination.into() }
    }
}

/// Something that happened to a delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum DeliveryEvent {
    /// The adapter was called.
    Started,
    /// The adapter answered; a batch is one call.
    Attempted {
        /// `None` if it delivered.
        failed: Option<DeliveryErrorKind>,
        /// How long it took.
        latency: Duration,
    },
    /// A call was given up before it answered, because nobody waits for it any more.
    Abandoned,
    /// An attempt took too long; an `Attempted` follows.
    TimedOut,
    /// Another attempt is made.
    Retrying {
        /// How many retries there were, this one included.
        retry: u32,
        /// After so long.
        delay: Duration,
    },
    /// A retry waits, because there have been too many of them.
    BudgetEmpty {
        /// So long.
        wait: Duration,
    },
    /// Work waits for an open breaker.
    Held {
        /// At most so long before it asks again.
        remaining: Duration,
    },
    /// The breaker has changed.
    BreakerChanged {
        /// What it was.
        from: BreakerPhase,
        /// What it is.
        to: BreakerPhase,
    },
    /// Work waits for the rate limit.
    RateLimited {
        /// So long.
        wait: Duration,
    },
    /// Work was refused.
    Refused {
        /// By this policy.
        by: RefusedBy,
    },
    /// A batch is on its way.
    Batched {
        /// With so many envelopes.
        size: usize,
    },
    /// A fallback took an envelope.
    FellBack,
    /// An envelope was delivered.
    Delivered,
    /// An envelope failed for good.
    Failed {
        /// What may still be done.
        kind: DeliveryErrorKind,
    },
    /// An envelope that failed was handed to the dead letters.
    DeadLettered,
    /// A dead letter was delivered to one of its targets.
    DeadLetterStored,
    /// A dead letter could not be delivered; it is kept and will be tried again.
    DeadLetterKept,
}

/// Is told what happens to deliveries, in process.
///
/// It is called on the thread of the delivery and must not block; a panic in it is caught.
pub trait DeliveryObserver: Send + Sync + 'static {
    /// Something happened.
    fn on_event(&self, labels: &DeliveryLabels, event: &DeliveryEvent);
}
