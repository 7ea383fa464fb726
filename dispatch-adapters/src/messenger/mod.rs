//! Background messages, and a constructor that needs nothing but a folder.
//!
//! Everything of [`dispatch_actors::messenger`] is here, and what its signatures name. A configuration names transports by
//! their type; [`builder`] makes their queues.
//!
//! | type | what it is | options |
//! |---|---|---|
//! | `embedded` | [`SqliteQueue`](crate::SqliteQueue) (feature `sqlite`, on by default): durable, without a server | `path` (`queue.db` in the folder), `sync` (`always` or `os`), `per_key`, `keep_done_ms`, `max_message_bytes`, `max_bytes` |
//! | `memory` | [`MemoryQueue`]: lost with the process | `per_key`, `keep_done_ms`, `max_messages` |
//! | `postgres` | `PostgresQueue` (feature `postgres`): for several processes on several machines | `url` (or `env:NAME`), `tls`, `schema`, `per_key`, `keep_done_ms`, `max_message_bytes`, `connections`, `timeout_ms`, `migrate` (whether the tables are made at the start; no) |
//! | `sync` | [`InlineQueue`]: handled before the dispatch returns; schedules and keys are ignored | none |
//!
//! [`Opener::dead_letters`] is told of what fails for good. As a target of deliveries (`type = "messenger"`) a messenger is
//! handed in with [`AdapterRegistry::with_messenger`](crate::config::AdapterRegistry::with_messenger).
//!
//! `per_key` is how many messages of one ordering key are handled at a time, by all workers together; 1 unless given. Keep
//! it below the `concurrency` of workers: then there is always room for other keys, however many messages wait of one.
//! `rate_limit` and `key_rate_limit` are options of every type but `sync`: how many messages each worker begins with, in
//! all and of each ordering key, as a [`RateLimit`](dispatch_core::policy::RateLimit). With several workers, give each of
//! them its part.
//!
//! ```
//! # let config = dispatch_adapters::messenger::MessengerConfig::from_toml(r#"
//! [transports.default]
//! type = "memory"
//! per_key = 2
//! rate_limit = { events = 50, burst = 10 }              # a second
//! key_rate_limit = { events = 100, per_ms = 60_000 }
//! # "#)?;
//! # config.check()?;
//! # Ok::<(), dispatch_adapters::messenger::MessengerError>(())
//! ```
//!
//! A type of your own is one more [`queue_type`](Opener::queue_type).
//!
//! [`config_from_env`] reads the configuration from variables of the environment; [`ConfigLayers`] puts files, variables and
//! a [`Profile`] over each other.
//!
//! ```
//! use dispatch_adapters::messenger::{self, Message, WorkerConfig};
//! use dispatch_adapters::prelude::*;
//! use serde_json::json;
//! use std::time::Duration;
//!
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! # #[cfg(feature = "sqlite")]
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let folder = tempfile::tempdir()?;
//! #   let folder = folder.path();
//!     let messenger = messenger::open(folder).await?;
//!     messenger.dispatch(Message::new("SendMail", &json!({ "to": "ann@example.com" }))?).await?; // and it is on disk
//!
//!     // Here or in another process, now or later: handlers are ordinary dispatchers.
//!     let mail = on_command("mail").run(|mail: Envelope| async move {
//!         println!("to {}", mail.raw_payload().to_json().unwrap_or_default()["to"]);
//!     });
//!     let engine = Engine::builder()
//!         .dispatcher(mail)
//!         .route(Route::new("mail", "messenger.**", Category::Command, "mail").with_message_type("SendMail"))
//!         .freeze()?;
//!     let worker = messenger.work(&engine, WorkerConfig { max_messages: Some(1), ..WorkerConfig::default() })?;
//!     assert_eq!(worker.ended().await?.done, 1);
//!     messenger.close().await?;
//!     Ok(())
//! }
//! ```

mod environment;
mod opener;
mod options;
mod target;

use std::path::PathBuf;

pub use dispatch_actors::messenger::*;
pub use dispatch_core::messenger::{
    ConfigLayers, DispatchOptions, Duplicates, Idempotency, IdempotencyKey, Judgement, Message, MessageType,
    MessengerConfig, MessengerError, MessengerErrorCode, Missed, Name, Priority, PriorityTiers, Profile,
    QueuedMessage, Rates, Schedule, StopReason, TransportConfig, WorkerConfig,
};
pub use dispatch_core::queue::{
    Attempt, Depth, ErrorGroup, Filter, MemoryQueue, MessageQueue, MessageState, Page, QueueError,
    QueueLimits, StoredMessage, WorkerId,
};
pub use environment::{ENV_PREFIX, config_from_env, env_vars};
pub use opener::{Opener, Opening};
pub use target::MessengerTargetOptions;

/// Begins to open a messenger whose files are in this folder.
pub fn builder(folder: impl Into<PathBuf>) -> Opener {
    Opener::new(folder.into())
}

/// A messenger with defaults: the transport `default` is in this folder, which is made if it is not there.
///
/// What is dispatched is on disk when that returns. Several processes may use one folder.
///
/// # Errors
/// What the file system or the database says.
#[cfg(feature = "sqlite")]
pub async fn open(folder: impl Into<PathBuf>) -> Result<Messenger, MessengerError> {
    builder(folder).open().await
}
