//! Topics, the patterns that match them, and the category a topic names.

mod category;
mod name;
mod pattern;

pub use category::{Category, UnknownCategory};
pub use name::{Topic, TopicError};
pub(crate) use pattern::{Glob, Part};
pub use pattern::{PatternError, TopicPattern};
