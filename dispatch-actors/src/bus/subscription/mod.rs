//! The actor of a subscription.
//!
//! ```text
//!   mailbox: pushed records, commands ─┐
//!   answers of consumers ──────────────┼─► events ─► state.step ─► effects ─┬─► consumers
//!   reads, saves, parked messages ─────┤                                    ├─► log, dead letters
//!   one timer ─────────────────────────┘                                    └─► replies
//! ```
//!
//! - No rule is in here: [`SubscriptionState`](dispatch_core::subscription::SubscriptionState) and
//!   [`LiveState`](dispatch_core::subscription::LiveState) decide.
//! - Nothing is awaited in a handler. What takes time is a future that is polled beside the mailbox, and comes back as an
//!   event.
//! - There is one timer, for what is due first; an idle subscription has none.

mod actor;
mod handle;
mod info;
mod live;
pub(super) mod logging;
mod protocol;
mod reliable;

pub(super) use actor::{Parts, SubscriptionActor};
pub use handle::Subscription;
pub use info::{ConsumerInfo, StopReport, SubscriptionInfo};
pub use protocol::SeekTo;
pub(super) use protocol::{
    Abandon, AddTopic, Command, Connect, Disconnect, EndFell, HeadMoved, PauseConsumer, Pushed,
};
pub(super) use reliable::{Done, place};
