//! Topic logs: what was published, in order, for as long as it is kept.
//!
//! ```text
//!   append ──► [ oldest … … … … … head )      offsets are dense per topic and never start again
//!                  │        ▲
//!                trim       └── read(from, limit), tail(seen) wakes readers
//!
//!   beside it: subscriptions, their cursors, and the messages they have parked
//! ```
//!
//! - [`TopicLog`] is the contract; [`MemoryLog`] keeps everything in this process and loses it with the process.
//! - [`SyncPolicy`] says what an acknowledged append survives.
//! - [`Retention`] says what may be trimmed, and never more than every cursor has passed; [`Claims`] are what has no cursor
//!   yet.

mod claims;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod entry;
mod error;
mod memory;
mod offset;
mod retention;
mod sync;
mod tails;
mod topic_log;

pub use claims::Claims;
pub use cursor::{Cursor, OffsetRanges, StoredSubscription};
pub use entry::{LogEntry, LogRecord};
pub use error::LogError;
pub use memory::MemoryLog;
pub use offset::Offset;
pub use retention::{Retention, TopicUsage};
pub use sync::SyncPolicy;
pub use tails::Tails;
pub use topic_log::{LogBounds, LogRead, ReadLimit, TopicLog};
