//! The actor that everything published goes through.
//!
//! - What is published on a topic while an append to it is under way becomes the next one: group commit without a timer.
//! - Records go to the log first and then, in the order of their offsets, to the subscriptions that have the topic: none of
//!   them has to read what was just written.
//! - Subscriptions are opened, and removed from the log, one at a time by name. A topic that appears later joins every pattern that it matches, from
//!   its first record on.
//! - A heartbeat compares heads with the log, in case somebody else has written to it, or it has lost its end.
//! - Subscriptions that are behind read for themselves, except at most once: what others append to a shared log is read
//!   for these here.

mod actor;
mod config;
mod fall;
mod leave;
mod live;
mod open;
mod protocol;
mod publish;
mod upkeep;

pub(super) use actor::Hub;
pub use config::BusConfig;
pub use protocol::Published;
pub(super) use protocol::{Drain, Drained, End, Few, Find, Forget, Held, List, Open, Publish, Unsubscribe};
