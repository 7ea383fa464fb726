//! The metrics collector: the actor that owns every counter of a shard.
//!
//! - The other actors of the shard send samples and never wait; the collector wakes for 64 at a time.
//! - A question is answered after everything that was sent before it has been counted, so a snapshot holds
//!   every dispatch whose result anybody has seen.
//! - Names are given numbers when a route is first resolved; a sample carries numbers only.

mod actor;
mod protocol;

pub(crate) use actor::Collector;
pub(crate) use protocol::{OfDispatcher, Reset, Sample, Snapshot, Stop, Tell, kind_of};

/// How many samples wait before the collector is woken.
pub(crate) const SAMPLES_PER_WAKE: usize = 64;
