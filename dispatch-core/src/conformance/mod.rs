//! What the public suites of the traits have in common: checks by name, what came of them, and just enough of an
//! executor to run futures side by side.

mod findings;
mod poll;
mod report;

pub(crate) use findings::Findings;
pub(crate) use poll::{abandon, join};
pub use report::{Check, Report, Verdict};
