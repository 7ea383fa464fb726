//! Policies as state machines: plain structs that are told what happened and when, and say what to do.

mod batch;
mod breaker;
mod deadlines;
mod dedup;
mod rate;
mod refusal;
mod restart;
mod retry;

pub use batch::{Batch, BatchPolicy};
pub use breaker::{BreakerConfig, BreakerPhase, BreakerState, Passage, Verdict};
pub use deadlines::Deadlines;
pub use dedup::DedupWindow;
pub use rate::{KeyRates, RateCell, RateLimit};
pub use refusal::{Failure, History, Refusal, RefusedBy};
pub use restart::{RestartDecision, RestartPolicy, RestartState};
pub use retry::{Backoff, BudgetConfig, Jitter, RetryBudget, RetryPolicy};
