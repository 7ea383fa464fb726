//! One destination with everything around it: what most programs use.
//!
//! ```text
//! deliver ─► [fallback / dead letters] ─► retry ─► rate limit ─► [batch] ─► circuit breaker ─► in-flight limit
//!                                                                               ─► timeout ─► adapter
//! ```
//! (Without a batch the circuit breaker stands outside the rate limit, as [`policy`](crate::policy) says.)
//!
//! - `Ok` means that the destination has taken the envelope, or a fallback has, and says which.
//! - An envelope that fails for good goes to the dead letters, once; a call that was refused does not: its caller
//!   is told, and nothing was sent.
//! - A destination that wants nothing more (HTTP 410) is switched off; what comes then fails at once, until
//!   [`enable`](Delivery::enable).
//! - Order is kept: what is queued, or comes in one call of `deliver_batch`, is delivered one after the other, or one
//!   batch after the other, retries included; unless a [concurrency](DeliveryBuilder::concurrency) was asked for. What
//!   several callers deliver at the same time has no order.
//! - What [`enqueue`](Delivery::enqueue) took ends in `Ok`, in a dead letter, or in the report of
//!   [`shutdown`](Delivery::shutdown).

mod actor;
mod builder;
mod fallback;
mod handle;
mod protocol;
mod route;
mod shared;
#[cfg(test)]
mod tests;
mod vitals;

pub use builder::DeliveryBuilder;
pub use fallback::{Fallback, FallbackFn};
pub use handle::{Delivery, Ticket};
pub use protocol::DeliveryReport;
