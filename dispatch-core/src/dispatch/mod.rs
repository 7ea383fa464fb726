//! What one dispatch results in, and how the answers of its dispatchers are folded.

mod fold;
mod outcome;
mod result;
mod status;
mod wire;

pub use fold::fold;
pub use outcome::{Leg, Outcome, OutcomeOf};
pub use result::{DispatchResult, Failure, Identity, Outcomes, Path, Subject, TopicText};
pub use status::DispatchStatus;
