//! When a failed attempt is made again.
//!
//! - `delay(n) = min(cap, jitter(raw(n)))`, n = retries already made, rounded down to a millisecond.
//! - A destination that names its own delay is believed, up to the cap.
//! - A [`RetryBudget`] keeps retries to a share of the traffic, so that an outage is not amplified. Without
//!   budget a retry waits; it is never given up for that.

mod budget;
mod policy;
#[cfg(test)]
mod tests;

pub use budget::{BudgetConfig, RetryBudget};
pub use policy::{Backoff, Jitter, RetryPolicy};
