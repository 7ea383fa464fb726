//! The model and the rules of the dispatch engine, without a runtime.

pub mod dispatch;
pub mod topic;

pub use dispatch::DispatchStatus;
pub use topic::{Category, Topic, TopicError};
