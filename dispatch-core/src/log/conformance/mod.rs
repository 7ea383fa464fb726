//! The suite that every [`TopicLog`](super::TopicLog) passes: the contract of the trait as checks that can be run.
//!
//! It needs no runtime of its own: [`Suite::run`] is a future, and goes wherever the log goes. It has no timer
//! either, so a log that hangs hangs the suite; run it under the time-out of your runtime.
//!
//! - What a log promises beyond the contract stands in [`Features`]; what is not promised is skipped, and the report
//!   says so.
//! - Topics and subscriptions are named after a prefix of the suite's ([`Suite::with_prefix`]), so a log that holds
//!   something already can be looked at too, as long as nobody else uses the prefix.
//! - Whether everything survives can only be checked with a way to [reopen](Suite::with_reopen) the log.
//! - The checks run one after the other, on one log, which is closed in the end. A failed check does not end the
//!   suite.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dispatch_core::log::MemoryLog;
//! use dispatch_core::log::conformance::{Features, Suite};
//!
//! # async fn test() {
//! let features = Features { survives: false, serialises: false, ..Features::all() };
//! let report = Suite::new(Arc::new(MemoryLog::new())).with_features(features).run().await;
//! report.assert(); // panics with every check that failed
//! # }
//! ```

mod append;
mod cursors;
mod end;
mod features;
mod park;
mod read;
mod suite;
mod tail;
mod talk;
mod trim;
mod whole;

pub use crate::conformance::{Check, Report, Verdict};
pub use features::Features;
pub use suite::Suite;
