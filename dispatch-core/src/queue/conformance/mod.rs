//! The suite that every [`MessageQueue`](super::MessageQueue) passes: the contract of the trait as checks that can be
//! run.
//!
//! It needs no runtime of its own: [`Suite::run`] is a future, and goes wherever the queue goes. It never waits for
//! time: it [lets time pass](Suite::with_passing) on the clock of the queue. A queue that hangs hangs the suite; run it
//! under the time-out of your runtime.
//!
//! - Queues, keys and workers are named after a prefix of the suite's ([`Suite::with_prefix`]), so a store that holds
//!   something already is left as it was. What it stores it removes.
//! - Whether everything survives can only be checked with a way to [reopen](Suite::with_reopen) the queue.
//! - A [`Life`] compares a queue with the model, step by random step.
//! - The checks run one after the other, on one queue. A failed check does not end the suite.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dispatch_core::queue::MemoryQueue;
//! use dispatch_core::queue::conformance::{Suite, SuiteClock};
//!
//! # async fn test() {
//! let clock = SuiteClock::new();
//! let queue = MemoryQueue::new("memory").with_clock(Arc::new(clock.clone()));
//! let report = Suite::new(Arc::new(queue)).with_passing(move |time| clock.pass(time)).run().await;
//! report.assert(); // panics with every check that failed
//! # }
//! ```

mod claims;
mod clock;
mod end;
mod features;
mod keys;
mod lanes;
mod leases;
mod lives;
mod outcomes;
mod people;
mod store;
mod suite;
mod talk;
mod wake;

pub use crate::conformance::{Check, Report, Verdict};
pub use clock::SuiteClock;
pub use features::Features;
pub use lives::Life;
pub use suite::Suite;
