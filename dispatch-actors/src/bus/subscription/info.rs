use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::subscription::{ConsumerId, SubscriptionConfig, SubscriptionStatus, TopicStatus};
use serde::Serialize;

/// How a subscription is, for people and for metrics.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SubscriptionInfo {
    /// How it was opened.
    pub config: SubscriptionConfig,
    /// How it is.
    pub status: SubscriptionStatus,
    /// Its topics, and how far it has come in each.
    pub topics: Vec<(Topic, TopicStatus)>,
    /// Its consumers.
    pub consumers: Vec<ConsumerInfo>,
    /// How old the oldest message is that a consumer has had and that is not settled.
    pub oldest_unacknowledged: Option<Duration>,
    /// What the log, or the dead-letter target, failed with last.
    pub last_error: Option<String>,
}

impl SubscriptionInfo {
    /// Records from the cursor to the head.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.status.lag()
    }
}

/// A consumer of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsumerInfo {
    /// Its id.
    pub id: ConsumerId,
    /// Its name.
    pub name: String,
    /// Whether it is the one that is served, of a type that serves one.
    pub active: bool,
    /// Whether its actor has died and is about to be started again.
    pub restarting: bool,
}

/// What was left when a subscription stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StopReport {
    /// The subscription.
    pub name: String,
    /// Messages that consumers had and had not acknowledged; they come again.
    pub unacknowledged: usize,
    /// Records from the cursor to the head.
    pub lag: u64,
    /// Whether the cursor could not be saved: what was acknowledged last comes again.
    pub unsaved: bool,
}
