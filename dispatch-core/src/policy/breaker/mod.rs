//! When to stop asking a destination that fails, and when to ask again.
//!
//! ```text
//!            failure_threshold failures in a row
//!   closed ──────────────────────────────────────► open
//!     ▲                                             │ first try after recovery_timeout
//!     │ success_threshold successes                 ▼
//!     └───────────────────────────────────────── half-open ──► open (one failed probe)
//! ```
//! - Closed: a success sets the count of failures back to zero.
//! - Open: nothing passes; failures that come in late change nothing, so the window is never extended.
//! - Half-open: at most `half_open_max_calls` probes are out at once.
//! - Probes that nobody reports are given up after `recovery_timeout`, and as many may be sent again.
//! - The outcome of a call that was let through before the breaker last changed is ignored.
//! - A state is one word ([`BreakerState::to_bits`]), so threads can share a breaker without a lock.

mod config;
mod state;
#[cfg(test)]
mod tests;

pub use config::BreakerConfig;
pub use state::{BreakerPhase, BreakerState, Passage, Verdict};
