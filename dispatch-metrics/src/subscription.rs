use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_core::subscription::{Counters, Guarantee, SubscriptionType, TopicStatus};
use serde::{Deserialize, Serialize};

use crate::millis::optional_millis;

/// How the subscriptions of a bus are: a snapshot, as `Bus::metrics` takes it.
///
/// ```
/// use std::time::Duration;
/// use dispatch_metrics::{BusMetrics, SubscriptionMetrics};
///
/// let mut billing = SubscriptionMetrics::default();
/// billing.oldest_unacknowledged = Some(Duration::from_secs(2));
/// billing.in_flight = 1;
/// let mut metrics = BusMetrics::new("shop");
/// metrics.subscriptions.insert("billing".to_owned(), billing);
/// assert_eq!(metrics.lag(), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BusMetrics {
    /// The name of the bus.
    pub bus: String,
    /// Its open subscriptions by name.
    pub subscriptions: BTreeMap<String, SubscriptionMetrics>,
}

impl BusMetrics {
    /// The figures of a bus that has no subscription.
    #[must_use]
    pub fn new(bus: impl Into<String>) -> Self {
        Self { bus: bus.into(), subscriptions: BTreeMap::new() }
    }

    /// Records that are not settled, of all subscriptions.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.subscriptions.values().map(SubscriptionMetrics::lag).sum()
    }
}

/// The figures of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SubscriptionMetrics {
    /// Who of its consumers gets a message.
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    /// Whether messages come again.
    pub guarantee: Guarantee,
    /// How far it has come in each topic; zero throughout if it is at most once, which has no place in a log.
    pub topics: BTreeMap<String, TopicStatus>,
    /// How old the oldest message is that a consumer has had and that is not settled; in whole milliseconds where it is
    /// serialised.
    #[serde(rename = "oldest_unacknowledged_ms", with = "optional_millis")]
    pub oldest_unacknowledged: Option<Duration>,
    /// Consumers that are connected.
    pub consumers: u64,
    /// Whether delivery is paused.
    pub paused: bool,
    /// Most messages that may be unacknowledged; 0 if it is at most once.
    pub window: u64,
    /// Messages that consumers have, and have not answered for.
    pub in_flight: u64,
    /// Places of the window that are taken: what is in flight, and what will come again.
    pub held: u64,
    /// Messages that wait for their time, or behind another one of their key.
    pub aside: u64,
    /// Messages that block.
    pub blocked: u64,
    /// Messages that are parked now.
    pub parked: u64,
    /// What has happened since it was opened.
    pub counters: Counters,
}

impl SubscriptionMetrics {
    /// Records of all topics that are not settled.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.topics.values().map(|topic| topic.lag).sum()
    }
}
