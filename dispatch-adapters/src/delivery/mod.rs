//! One destination with everything around it: what most programs use.
//!
//! ```text
//! deliver ─► [fallback / dead letters] ─► retry ─► circuit breaker ─► rate limit ─► in-flight limit ─► timeout ─► adapter
//! ```
//! With a batch each envelope passes the rate limits on its way into it, and once more before it is tried again; the rest
//! is around the batch. A batch that was refused and comes again passes them again, too: a turn that was kept for later
//! would let more calls into a window than the limit allows.
//! ```text
//! deliver ─► [fallback / dead letters] ─► rate limit ─► batch ─► retry ─► circuit breaker ─► in-flight limit ─► timeout ─► adapter
//! ```
//!
//! - `Ok` means that the destination has taken the envelope, or a fallback has, and says which.
//! - An envelope that fails for good goes to the dead letters, once; a call that was refused does not: its caller
//!   is told, and nothing was sent, unless the history of the error tells of attempts before.
//! - A destination that wants nothing more (HTTP 410) is switched off; what comes then fails at once, until
//!   [`enable`](Delivery::enable).
//! - Order is kept: what is queued, or comes in one call of `deliver_batch`, is delivered one after the other, or one
//!   batch after the other, retries included; unless a [concurrency](DeliveryBuilder::concurrency) was asked for. Of one
//!   batch, what the destination took of it is ahead of what failed and is tried again: where that matters use no batch, or
//!   an adapter that takes a batch whole. What several callers deliver at the same time has no order.
//! - What [`enqueue`](Delivery::enqueue) took ends in `Ok`, in a dead letter, or in the report of
//!   [`shutdown`](Delivery::shutdown). Without [`dead_letters`](DeliveryBuilder::dead_letters), what fails for good is an
//!   error of its ticket and in the log, and nowhere else.

mod actor;
mod builder;
mod fallback;
mod handle;
mod limit;
mod part;
mod protocol;
mod queue;
mod route;
mod shared;
#[cfg(test)]
mod tests;
mod vitals;
mod work;

pub use builder::DeliveryBuilder;
pub use fallback::{Fallback, FallbackFn};
pub use handle::{Delivery, Ticket};
pub use protocol::DeliveryReport;
