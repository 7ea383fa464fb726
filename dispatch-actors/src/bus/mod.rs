//! The bus: topics, and subscriptions to them.
//!
//! ```text
//!   publish ──► hub ──append──► log          one writer a topic; what comes meanwhile is the next batch
//!                │                │
//!                │ records        │ reads, when a subscription is behind
//!                ▼                ▼
//!          subscription actors ──────► consumers: functions, actors, adapters, engines
//!                ▲                        │
//!                └──────── answers ───────┘
//! ```
//!
//! ```
//! use dispatch_actors::bus::Bus;
//! use dispatch_core::log::MemoryLog;
//! use dispatch_core::Envelope;
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bus = Bus::builder(MemoryLog::new()).start()?;
//!     let billing = bus.reliable_exclusive("billing", "shop.*.events").open().await?;
//!     let (seen, mut orders) = tokio::sync::mpsc::unbounded_channel();
//!     billing.consumer("one").run(move |order| {
//!         let seen = seen.clone();
//!         async move { seen.send(order.offset()) } // an error would refuse the message, and it would come again
//!     }).await?;
//!
//!     bus.publish("shop.order.events", Envelope::empty("OrderPlaced")).await?;
//!     assert_eq!(orders.recv().await.map(|offset| offset.get()), Some(0));
//!     billing.flush().await?;
//!     assert_eq!(billing.lag().await?, 0);
//!     Ok(())
//! }
//! ```
//!
//! # Guarantees
//! - A message is published when the log has it, as durably as its [`SyncPolicy`](dispatch_core::log::SyncPolicy) says;
//!   publishing neither waits for subscriptions nor fails because of them.
//! - At least once: what was published after a subscription was opened is delivered until it is acknowledged, or is kept
//!   or counted where its policy says so. A crash, a restart or the death of a consumer makes it come again.
//! - At most once: what nobody has room for is dropped, and counted.
//! - The guides on [at least once](crate::guide::at_least_once) and [at most once](crate::guide::at_most_once) say what can
//!   and cannot happen.
//! - The order of offsets is the order of delivery to an exclusive or failover subscription, and of each key to a
//!   key-shared one; with a window above 1 what is retried comes after what is out.

mod builder;
mod consumer;
mod error;
mod futures;
mod handle;
mod hub;
mod keep;
mod metrics;
mod shared;
mod subscription;
mod time;
mod topic;

pub use builder::BusBuilder;
pub use consumer::{Acknowledge, Consume, Consumer, ConsumerBuilder, Delivery, IntoVerdict, Verdict};
pub use dispatch_core::policy::{RestartPolicy, RetryPolicy};
pub use error::BusError;
pub use handle::{Bus, BusAdapter, BusReport, SubscriptionBuilder};
pub use hub::{BusConfig, Published};
pub use subscription::{ConsumerInfo, SeekTo, StopReport, Subscription, SubscriptionInfo};

/// The target of every event of a bus.
pub(crate) const LOG_TARGET: &str = "dispatch::bus";
