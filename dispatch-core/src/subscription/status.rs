use serde::{Deserialize, Serialize};

use crate::log::Offset;

/// How a subscription is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its topics, in the order of their slots.
    pub topics: Vec<TopicStatus>,
    /// Consumers that are connected.
    pub consumers: usize,
    /// Messages that consumers have, and have not answered for.
    pub in_flight: usize,
    /// Places of the window that are taken: what is in flight, and what will come again.
    pub held: usize,
    /// Messages that wait for their time, or behind another one of their key.
    pub aside: usize,
    /// Messages that somebody has to decide about: those that block, and those that can never be parked.
    pub blocked: usize,
    /// Most messages that may be unacknowledged.
    pub window: u32,
    /// Whether delivery is paused.
    pub paused: bool,
    /// What has happened since it was opened.
    pub counters: Counters,
}

impl SubscriptionStatus {
    /// Records of all topics from the cursor to the head.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.topics.iter().map(|topic| topic.lag).sum()
    }
}

/// How far a subscription has come in one topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicStatus {
    /// The first offset that is not settled.
    pub cursor: Offset,
    /// The next offset that the log will assign.
    pub head: Offset,
    /// Records from the cursor to the head.
    pub lag: u64,
}

/// What has happened to a subscription since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counters {
    /// Messages handed to consumers, those that came again included.
    pub delivered: u64,
    /// Of these, those that came again.
    pub redelivered: u64,
    /// Messages that were acknowledged.
    pub acked: u64,
    /// Messages that consumers refused.
    pub nacked: u64,
    /// Messages that were not answered for in time.
    pub timed_out: u64,
    /// Answers that did not count: late, given twice, or by somebody else.
    pub stale: u64,
    /// Messages whose retries were used up.
    pub exhausted: u64,
    /// Of these, those that were parked.
    pub parked: u64,
    /// Of these, those that a dead-letter target has.
    pub dead_lettered: u64,
    /// Of these, those that were dropped, by policy or by somebody's decision.
    pub dropped: u64,
    /// Messages that were too old when it was their turn.
    pub expired: u64,
    /// Messages with a key that no consumer takes.
    pub unroutable: u64,
    /// Records that were gone before they were read.
    pub gap: u64,
    /// At most once: messages for which no consumer was there.
    pub no_consumer: u64,
    /// At most once: messages that came when every consumer was full.
    pub full: u64,
    /// At most once: messages that came, or whose time came, while delivery was paused.
    pub paused: u64,
    /// At most once: messages whose time had not come when as many waited as may.
    pub aside_full: u64,
}
