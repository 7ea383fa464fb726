//! What processes say of what they do, one JSON object a line.

use std::io::Write;
use std::process;

use dispatch_adapters::bus::{SubscriptionConfig, SubscriptionType};
use dispatch_adapters::model::log::OffsetRanges;
use serde::{Deserialize, Serialize};

/// The topic of every message: one topic, so that there is one order of all of them.
pub(crate) const TOPIC: &str = "shop.order.events";

/// Those that publish at the same time. The first one publishes the numbers 0, 4, 8 …
pub(crate) const PUBLISHERS: u64 = 4;

/// Each key has one publisher, so its numbers are published in order.
const KEYS: u64 = 3 * PUBLISHERS;

/// The key of a message.
pub(crate) const fn key_of(number: u64) -> u64 {
    number % KEYS
}

/// A subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    Exclusive,
    Shared,
    KeyShared,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Exclusive, Self::Shared, Self::KeyShared];

    /// The one that parks some of its messages.
    pub(crate) const PARKS: Self = Self::Shared;

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
            Self::KeyShared => "key_shared",
        }
    }

    /// How many consumers it has.
    pub(crate) const fn consumers(self) -> usize {
        match self {
            Self::Exclusive => 1,
            Self::Shared | Self::KeyShared => 3,
        }
    }

    /// How many messages may be unacknowledged at a time.
    pub(crate) const fn window(self) -> u32 {
        match self {
            Self::Exclusive => 1,
            Self::Shared => 32,
            Self::KeyShared => 8,
        }
    }

    /// Which of its messages come one after the other.
    pub(crate) const fn line(self, number: u64) -> Option<u64> {
        match self {
            Self::Exclusive => Some(0),
            Self::Shared => None,
            Self::KeyShared => Some(key_of(number)),
        }
    }

    /// Whether it never takes this message, which is parked then.
    pub(crate) const fn refuses(self, offset: u64) -> bool {
        matches!(self, Self::PARKS) && offset % 47 == 7
    }

    pub(crate) fn config(self) -> SubscriptionConfig {
        let config = SubscriptionConfig::new(self.name(), TOPIC).with_window(self.window());
        match self {
            Self::Exclusive => config,
            Self::Shared => config.of_type(SubscriptionType::Shared),
            Self::KeyShared => config.of_type(SubscriptionType::KeyShared),
        }
    }
}

/// What has happened.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// A subscription is about to be opened, and this is stored of it.
    Found { by: Who, next: u64, settled: OffsetRanges },
    /// Everybody is connected, and requests to stop are heard.
    Ready,
    /// Publishing was acknowledged.
    Published { number: u64, offset: u64 },
    /// A consumer has got a message.
    Delivered { by: Who, offset: u64, number: u64, attempt: u32 },
    /// A consumer has handled a message, and is about to acknowledge it.
    Acknowledges { by: Who, offset: u64 },
    /// A consumer is about to refuse a message for good.
    Refuses { by: Who, offset: u64 },
    /// A subscription has stopped because it was asked to.
    Stopped { by: String, unacknowledged: usize, unsaved: bool },
    /// It cannot go on.
    Failed(String),
}

impl Said {
    /// Says it. A line is one write, so that a kill leaves none half written. If nobody listens the process ends: what it
    /// would do then is in nobody's record.
    pub(crate) fn say(&self) {
        let line = serde_json::to_string(self).unwrap() + "\n";
        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
            process::exit(2);
        }
    }
}
