use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::Offset;

/// A consumer, for as long as it is connected; one that comes back is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConsumerId(pub u64);

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic of a subscription, by its place in the list of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicSlot(pub u32);

/// Which delivery is meant: only the last one of a message, to the consumer that has it, can be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryToken {
    /// The topic.
    pub topic: TopicSlot,
    /// The place in the topic.
    pub offset: Offset,
    /// 1 for the first attempt. A delivery to a consumer that went away costs none.
    pub attempt: u32,
    /// Who has it.
    pub consumer: ConsumerId,
    /// The message's place in memory.
    pub(super) entry: u32,
    /// The number of the delivery; no two have the same.
    pub(super) stamp: u64,
}

/// The ordering key of a message, and its hash.
///
/// ```
/// use dispatch_core::subscription::MessageKey;
///
/// let (a, b) = (MessageKey::new("customer-7"), MessageKey::new("customer-7"));
/// assert_eq!((a.hash(), a.text()), (b.hash(), "customer-7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageKey {
    hash: u64,
    text: Arc<str>,
}

impl MessageKey {
    /// A key.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self { hash: hash(&text), text }
    }

    /// The same in every process and every version.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// As it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// FNV-1a, and the last step of splitmix64, since FNV alone leaves the low bits of short keys alike.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv)
}

pub(super) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
