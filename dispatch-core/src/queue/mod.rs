//! Queues of background messages: what is stored, who works on it, and what became of it.
//!
//! ```text
//!   enqueue ─► waiting ─► ready ─► claim ─► leased ─┬─ done ──► gone, or kept for a while
//!             (behind its  ▲ ▲ (not before           ├─ retry ─► ready, later
//!              key)        │ │  available_at)        ├─ failed ─► failed ─ replay ─► ready
//!                          │ └── released, or the ───┘
//!                          │     lease ran out
//!                          └──── its turn in its key
//! ```
//! - [`MessageQueue`] is the contract; [`MemoryQueue`] keeps everything in this process and loses it with the process.
//! - [`QueueState`] decides: it is the memory queue, and the model that every other queue is compared with.
//! - A claim gives a [`LeaseToken`]. Whoever's token is not the newest of its message changes nothing, however late
//!   they come.

mod attempt;
mod claim;
#[cfg(feature = "conformance")]
pub mod conformance;
mod depth;
mod error;
mod filter;
mod memory;
mod message_queue;
mod state;
mod stored;
mod submission;
mod wakeups;

pub use attempt::{Attempt, AttemptHistory, ErrorGroup};
pub use claim::{Claim, Claimed, LeaseToken, Leased, Outcome, Settlement, WorkerId};
pub use depth::Depth;
pub use error::QueueError;
pub use filter::{Filter, Page};
pub use memory::MemoryQueue;
pub use message_queue::MessageQueue;
pub use state::{QueueLimits, QueueState};
pub use stored::{Lease, MessageState, StoredBody, StoredMessage};
pub use submission::{Enqueued, Remember, Submission};
pub use wakeups::{Wakeup, Wakeups};
