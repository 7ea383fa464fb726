use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::log::Offset;

/// Who of the consumers gets a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionType {
    /// One consumer; a second one is refused.
    #[default]
    Exclusive,
    /// The one that came first; when it goes, the next takes over at once.
    Failover,
    /// All, one after the other.
    Shared,
    /// All; messages of the same key go to the same one, as long as the same consumers are there.
    KeyShared,
}

impl SubscriptionType {
    /// As it is written in JSON, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Failover => "failover",
            Self::Shared => "shared",
            Self::KeyShared => "key_shared",
        }
    }

    /// Whether messages come in the order of their offsets.
    #[must_use]
    pub const fn is_ordered(self) -> bool {
        matches!(self, Self::Exclusive | Self::Failover)
    }
}

impl fmt::Display for SubscriptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How often a message is handled, if something goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Once or not at all: sent without waiting, and dropped where there is nobody to take it. Drops are counted.
    AtMostOnce,
    /// Once or more: it comes again until a consumer has acknowledged it.
    #[default]
    AtLeastOnce,
}

impl Guarantee {
    /// As it is written in JSON, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at_most_once",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a subscription begins that has no cursor yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// With what is published from then on.
    #[default]
    Latest,
    /// With the oldest record that is kept.
    Earliest,
    /// With this offset.
    Offset(Offset),
    /// With the first record that was appended at this time or later.
    Time(#[serde(with = "crate::time::rfc3339")] SystemTime),
}

/// What becomes of a message whose retries are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// It is kept, and nothing new is delivered until somebody decides; with keys, nothing new of its key.
    Block,
    /// It is kept beside the subscription until a person looks at it; the others go on.
    Park,
    /// It is skipped, and counted.
    Drop,
    /// It is delivered to the dead-letter target, and skipped once that has it.
    DeadLetter,
}

impl Exhausted {
    /// What a type does unless it is told otherwise: where order matters it blocks, else it parks.
    #[must_use]
    pub const fn default_for(kind: SubscriptionType) -> Self {
        if kind.is_ordered() { Self::Block } else { Self::Park }
    }
}
