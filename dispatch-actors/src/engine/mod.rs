//! The engine: how it is built, how it is used, how it ends.

mod answer;
mod builder;
mod handle;
mod loopback;
mod refused;
mod reload;
mod report;
mod shared;
mod stalled;
mod start;
mod topic_arg;

pub(crate) use builder::Blueprint;
pub use builder::EngineBuilder;
pub use handle::Engine;
pub use refused::Refused;
pub use reload::ReloadError;
pub use report::{EngineHealth, ReloadReport, ShutdownReport};
pub use start::StartError;
pub use topic_arg::{IntoTopic, TopicArg};
