//! What one dispatch results in.

mod status;

pub use status::DispatchStatus;
