//! Background messages: what sends them, and what handles them.
//!
//! ```text
//!   Messenger ─ dispatch ─► transports (queues) ◄─ claim ── Worker ── dispatch ──► Engine ──► dispatchers
//!       │                        ▲                            │
//!       │                        └──── done, retry, failed ◄──┘
//!       └─ list, replay, drop, pause: what people do
//! ```
//! - A [`Messenger`] plans where a message goes and stores it there. It is a handle: clone it, use it from any thread.
//! - A [`Worker`] is an actor. It takes messages from transports and dispatches each into an engine, so that handlers are
//!   ordinary dispatchers. What comes of it is judged by [`Judgement`](dispatch_core::messenger::Judgement), when to claim
//!   by [`WorkerState`](dispatch_core::messenger::WorkerState).
//! - [`Workers`] runs the workers of a program until a signal, drains them, and says with which status to end.
//! - Its configuration is [changed](Messenger::update) while it runs, as a whole or not at all, and whoever
//!   [watches](Messenger::on_change) is told.
//! - [`global`] is one messenger for the whole process, for those who want that.
//! - [`Messenger::schedule`] sends messages again and again: the next occurrence is stored ahead, once.
//! - [`Messenger::metrics`] has the figures of all of it. What fails for good stays in its transport, and is told to the
//!   dead-letter target, if there is [one](MessengerBuilder::dead_letters).
//! - [`Messenger::adapter`] takes envelopes: for the outputs of an engine, a subscription, deliveries or dead letters.
//! - Each message is handled at least once. A worker that dies is not asked: its leases run out, and others go on.
//!
//! ```
//! use dispatch_actors::messenger::Messenger;
//! use dispatch_actors::prelude::*;
//! use dispatch_core::messenger::{Message, WorkerConfig};
//! use dispatch_core::queue::MemoryQueue;
//! use serde_json::json;
//! use std::time::Duration;
//!
//! # #[actix::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mail = on_command("mail").run(|envelope: Envelope| async move {
//!     println!("sent: {}", envelope.message_type());
//! });
//! let engine = Engine::builder()
//!     .dispatcher(mail)
//!     .route(Route::new("mail", "messenger.**", Category::Command, "mail").with_message_type("SendMail"))
//!     .freeze()?;
//! let messenger = Messenger::builder().transport("default", MemoryQueue::new("default")).build()?;
//! messenger.dispatch(Message::new("SendMail", &json!({ "to": "ann@example.com" }))?).await?;
//!
//! let worker = messenger.work(&engine, WorkerConfig { max_messages: Some(1), ..WorkerConfig::default() })?;
//! let report = worker.ended().await?;
//! assert_eq!(report.done, 1);
//! # Ok(())
//! # }
//! ```

mod active;
mod adapter;
mod builder;
mod configuring;
pub mod global;
mod handle;
mod inline;
mod metrics;
mod pages;
mod people;
mod scheduler;
mod sending;
mod sent;
mod watchers;
mod worker;
mod workers;

pub use adapter::MessengerAdapter;
pub use builder::MessengerBuilder;
pub use global::MessageDispatcher;
pub use handle::Messenger;
pub use inline::InlineQueue;
pub use people::{Replay, TransportStats};
pub use scheduler::Scheduler;
pub use sent::{BatchResult, Dispatched, Sent};
pub use watchers::ConfigWatch;
pub use worker::{Worker, WorkerInfo, WorkerOptions, WorkerReport, WorkerStopped};
pub use workers::{Workers, WorkersReport};
