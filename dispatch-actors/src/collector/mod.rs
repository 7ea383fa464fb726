//! The metrics collector: the actor that answers for the counters of a shard.
//!
//! - What happens is counted where it happens, in the shard's recorder, before anybody can see the result. All of it
//!   happens on one thread, so that neither a lock nor a message is needed, and a question to the collector is
//!   answered with every dispatch whose result anybody has seen.
//! - Only the collector reads the recorder, clears it, and gives the slots of dispatchers back. What happens on other
//!   threads is told to it.
//! - Names are given numbers when a route is first resolved; what is counted carries numbers only.

mod actor;
mod protocol;

pub(crate) use actor::Collector;
pub(crate) use protocol::{Notice, OfDispatcher, Reset, Snapshot, Stop, Tell, kind_of};
