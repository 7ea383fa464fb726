//! The bus, and a constructor that needs nothing but a folder.
//!
//! Everything of [`dispatch_actors::bus`] is here, and what its signatures name: configurations, guarantees, offsets.
//! With the feature `sqlite`, which is on by default, [`open`] makes a bus on a [`SqliteLog`](crate::SqliteLog) in one
//! line.
//!
//! ```
//! use dispatch_adapters::bus::{self, Exhausted};
//! use dispatch_adapters::prelude::*;
//! use std::time::Duration;
//!
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! # #[cfg(feature = "sqlite")]
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let folder = tempfile::tempdir()?;
//! #   let folder = folder.path().join("shop");
//!     let bus = bus::open(&folder).await?;
//!     let billing = bus.reliable_exclusive("billing", "shop.*.events").open().await?;
//!     bus.publish("shop.order.events", Envelope::empty("OrderPlaced")).await?; // and it is on disk
//!     bus.shutdown(Duration::from_secs(5)).await?;
//!     bus.log().close().await?; // the folder is free
//!     drop(billing);
//!
//!     // Another run of the program: nobody has handled the order yet, so it comes now.
//!     let bus = bus::open(&folder).await?;
//!     let config = SubscriptionConfig::new("billing", "shop.*.events").when_exhausted(Exhausted::Park);
//!     let billing = bus.subscription(config).open().await?;
//!     assert_eq!(billing.lag().await?, 1);
//!     let (seen, mut orders) = tokio::sync::mpsc::unbounded_channel();
//!     billing.consumer("one").run(move |order: bus::Delivery| {
//!         let seen = seen.clone();
//!         async move { seen.send(order.message_type().to_string()) }
//!     }).await?;
//!     assert_eq!(orders.recv().await.as_deref(), Some("OrderPlaced"));
//!     Ok(())
//! }
//! ```

#[cfg(feature = "sqlite")]
use std::path::PathBuf;

pub use dispatch_actors::bus::*;
pub use dispatch_core::log::{
    Cursor, LogEntry, LogError, LogRecord, MemoryLog, Offset, Retention, SyncPolicy, TopicLog,
};
pub use dispatch_core::subscription::{
    ConsumerId, Counters, Exhausted, Guarantee, Resolution, Start, SubscriptionConfig, SubscriptionStatus,
    SubscriptionType, TopicStatus,
};

/// Begins to build a bus on a log in this folder, which is made if it is not there: for what [`open`] leaves at its
/// defaults.
///
/// # Errors
/// [`BusError::Log`]: the folder cannot be used, or somebody else has it.
#[cfg(feature = "sqlite")]
pub async fn builder(folder: impl Into<PathBuf>) -> Result<BusBuilder, BusError> {
    let log = crate::SqliteLog::open(crate::SqliteLogOptions::new(folder)).await?;
    Ok(Bus::builder(log))
}

/// A bus on a log in this folder, with defaults: what is published is on disk when that returns.
///
/// The folder belongs to one process at a time. It is free once the bus is shut down and `bus.log().close()` has
/// returned, or when the process ends, however it does.
///
/// # Errors
/// [`BusError::Log`]: the folder cannot be used, or somebody else has it. [`BusError::Thread`].
#[cfg(feature = "sqlite")]
pub async fn open(folder: impl Into<PathBuf>) -> Result<Bus, BusError> {
    builder(folder).await?.start()
}
