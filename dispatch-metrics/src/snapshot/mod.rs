//! The snapshot model: plain numbers, without an engine or a runtime.
//!
//! Every rule of counting stands here once, in `count`; the [`Recorder`](crate::Recorder) calls the same
//! methods.

mod by_kind;
mod count;
mod dispatch;
mod dispatcher;
mod json;
mod merge;
mod topic;

pub use by_kind::{CategoryMetrics, StatusMetrics};
pub use dispatch::DispatchMetrics;
pub use dispatcher::DispatcherMetrics;
pub use topic::TopicMetrics;

/// `part` of `whole`, or `empty` if there is nothing to share.
fn rate(part: u64, whole: u64, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}
