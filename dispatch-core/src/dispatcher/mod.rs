//! The contract of code that handles envelopes: what it gets, what it may return, how it describes itself.

mod context;
mod error;
mod kind;
mod object;
mod outputs;
mod registry;

pub use context::Context;
pub use error::{DispatcherError, RetryAdvice};
pub use kind::NodeKind;
pub use object::Dispatcher;
pub use outputs::{IntoOutput, IntoOutputs, InvalidOutput, Output, Outputs};
pub use registry::DispatcherRegistry;
