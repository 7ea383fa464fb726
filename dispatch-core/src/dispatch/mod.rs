//! One dispatch: whether it is routed, what its dispatchers answer, and the result of both.

mod accept;
mod fold;
mod outcome;
mod path;
mod publish;
mod result;
mod status;
mod subject;
mod wire;

pub use accept::{NotRouted, Unroutable, accept};
pub use fold::fold;
pub use outcome::{Leg, Outcome, OutcomeOf};
pub use path::{Path, TopicText};
pub use publish::{Publication, outgoing};
pub use result::{DispatchResult, Failure, Outcomes};
pub use status::DispatchStatus;
pub use subject::{Identity, Subject};
