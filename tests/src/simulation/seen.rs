use std::time::Duration;

use dispatch_core::log::{Offset, OffsetRanges};
use dispatch_core::subscription::DeliveryToken;

/// Something that the state did or was told, and when: what a checker reads in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The time.
    pub at: Duration,
    /// What.
    pub what: Happened,
}

/// What can be seen of a subscription from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A consumer was given a message.
    Delivered(DeliveryToken),
    /// A message is to be parked or dead-lettered.
    Keeping(Offset),
    /// It is.
    Kept(Offset),
    /// A message blocks.
    Blocked(Offset),
    /// A cursor is to be saved.
    Saving(Offset, OffsetRanges),
}
