//! The suite that every [`Adapter`](super::Adapter) passes: the contract of the trait as checks that can be run.
//!
//! It needs no runtime of its own: [`Suite::run`] is a future, and goes wherever the adapter goes. It has no timer
//! either, so an adapter that hangs hangs the suite; run it under the time-out of your runtime.
//!
//! - What an adapter promises beyond the contract stands in [`Features`]; what is not promised is skipped, and the
//!   report says so.
//! - Whether envelopes arrive can only be checked through a [`Destination`] that can be read back. Without one
//!   the checks still look at every answer.
//! - The destination has to have room: the largest batch is of 100 envelopes, and 32 are delivered side by side.
//! - The checks run one after the other, on one adapter. A failed check does not end the suite.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dispatch_core::delivery::conformance::{Features, Suite};
//! # use dispatch_core::{Adapter, DeliveryError, Envelope, Receipt};
//! # struct Crm;
//! # #[async_trait::async_trait]
//! # impl Adapter for Crm {
//! #     fn name(&self) -> &str { "crm" }
//! #     async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> { Ok(Receipt::taken()) }
//! # }
//! # async fn test() {
//! let report = Suite::new(Arc::new(Crm)).with_features(Features::default()).run().await;
//! report.assert(); // panics with every check that failed
//! # }
//! ```

mod batch;
mod destination;
mod features;
mod load;
mod payloads;
mod promises;
mod size;
mod suite;
mod talk;

pub use crate::conformance::{Check, Report, Verdict};
pub use destination::{Arrival, Destination};
pub use features::Features;
pub use suite::Suite;
