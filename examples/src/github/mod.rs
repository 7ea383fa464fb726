//! GitHub events, read as JSON lines or made up, and how they become envelopes.

mod event;
mod input;
mod lines;
mod workload;

pub use event::Event;
pub use input::{Batch, Entry, Expected, Input, InputError, Source, open};
