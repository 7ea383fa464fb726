//! What one dispatch results in, and how the answers of its dispatchers are folded.

mod fold;
mod outcome;
mod path;
mod result;
mod status;
mod subject;
mod wire;

pub use fold::fold;
pub use outcome::{Leg, Outcome, OutcomeOf};
pub use path::{Path, TopicText};
pub use result::{DispatchResult, Failure, Outcomes};
pub use status::DispatchStatus;
pub use subject::{Identity, Subject};
