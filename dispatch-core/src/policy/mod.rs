//! Policies as state machines: plain structs that are told what happened and when, and say what to do.

mod dedup;
mod restart;

pub use dedup::DedupWindow;
pub use restart::{RestartDecision, RestartPolicy, RestartState};
