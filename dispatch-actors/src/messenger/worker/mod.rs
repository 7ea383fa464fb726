//! The actor that takes messages from transports and has an engine handle them.
//!
//! - What it has claimed is its own as long as its leases run. They are extended while it works; one that is lost is
//!   nobody's fault, and what its handler says is not listened to any more.
//! - What has become of a message is written until it is written or the lease is over. A message whose handlers have
//!   succeeded never fails because of that: at worst it is handled once more.
//! - What has failed for good is told to the dead-letter target after it was stored as failed; see `telling`.
//! - Once it is drained it claims nothing, hands back what nobody has begun with, and waits for the rest until the deadline.
//!   What is left then is tried again by whoever claims it, once the lease is over under which it was being handled.
//! - Once it has ended it holds no queue.

mod actor;
mod figures;
mod hand;
mod handle;
mod memory;
mod options;
mod protocol;
mod settling;
mod telling;

pub(super) use actor::GRACE;
pub(super) use handle::no_thread;
pub use handle::{Worker, WorkerInfo, WorkerReport, WorkerStopped};
pub use options::WorkerOptions;
