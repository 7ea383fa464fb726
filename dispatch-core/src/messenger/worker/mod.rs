//! When a worker claims, from which transport, and how many messages: plain steps on plain data.
//!
//! - Never more messages in hand than `concurrency + prefetch`, never more begun than `max_messages`, and never more that
//!   might still fail than `max_failures` allows.
//! - Of each transport one claim at a time. The first transport with something to give is asked, in the order given; with
//!   `fair` they take turns. The next is asked meanwhile for the room that is left, and for all of it once a transport has
//!   not answered for a while. What comes too late and finds no room is handed back.
//! - Messages of a transport, and of each of its ordering keys, begin no faster than their rates. No more are claimed than
//!   may begin at that moment; of an ordering key it is not known what will be claimed, so one that is over its rate is
//!   handed back until its time.
//! - A transport that gave less than it was asked for is left alone until it wakes the worker, its next message is due,
//!   or it is time to look by itself.
//! - Memory is measured before a claim, at most ten times a second.

mod config;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub use config::WorkerConfig;
pub use state::{Step, StopReason, WorkerState};
