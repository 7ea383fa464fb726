//! Topics, the patterns that match them, and the category a topic names.

mod category;
mod name;

pub use category::{Category, UnknownCategory};
pub use name::{Topic, TopicError};
