//! A message dispatch engine on `actix`: one dependency line for all of it.
//!
//! An envelope published on a topic is routed by topic pattern, category and message type to supervised
//! dispatchers; their answers are folded into one result, and what they emit can be dispatched again.
//!
//! It is **not** a broker and not a web framework: envelopes live in this process, and it runs inside the
//! server you have, from any runtime thread.
//!
//! ```
//! use dispatch_adapters::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct OrderPlaced {
//!     id: u32,
//! }
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let engine = Engine::builder()
//!         .dispatcher(on_event("invoice").run(|order: Envelope<OrderPlaced>| async move {
//!             format!("billing.commands.invoice-{}", order.payload().id)
//!         }))
//!         .route(Route::new("orders", "shop.*.events", Category::Event, "invoice"))
//!         .freeze()?;
//!     let result = engine.dispatch("shop.order.events", Envelope::typed(OrderPlaced { id: 7 })).await?;
//!     assert!(result.is_successful());
//!     assert_eq!(result.outputs().next().map(|output| output.topic().as_str()), Some("billing.commands.invoice-7"));
//!     Ok(())
//! }
//! ```
//!
//! # Where things are
//! - Here: everything of the engine, from [`Engine`] and [`on_event`] to [`EngineActor`], and of delivery, from
//!   [`Delivery`] and [`Targets`] to [`DeadLetters`].
//! - [`bus`]: topics and subscriptions; `bus::open` makes one on a log in a folder.
//! - [`prelude`]: what most programs need.
//! - [`model`]: the model and the rules, without a runtime: envelopes, topics, routes, results, policies.
//! - Adapters: [`actor`], [`named`], [`pubsub`], [`logger`], [`console`], [`file`](mod@file), [`noop`], `http`,
//!   `webhook`, and behind features of their names `amqp`, `kafka`, `mqtt`, `nats`, `postgres` and `redis`.
//! - [`policy`]: retry, circuit breaker, limits and time-outs around adapters and dispatchers.
//! - `tls`: whose certificates are trusted by the adapters that speak TLS.
//! - [`config`]: targets as data, and how an adapter of yours gets a name in it.
//! - [`secret`]: how secrets are named in configurations and kept out of print.
//! - [`metrics`]: the snapshot that [`Engine::metrics`] answers with, and its exporters.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `http` | yes | `http`: delivery over HTTP, with the address guard |
//! | `webhook` | yes | `webhook`: signed webhooks, and their verification; includes `http` |
//! | `sqlite` | yes | `sqlite`: the topic log in a folder; `sqlite_queue`: background messages in a file; needs a C compiler |
//! | `jetstream` | no | `jetstream`: the topic log on NATS JetStream; includes `nats` |
//! | `conformance` | no | `conformance` and [`model`]`::log::conformance`: the suites that every adapter and every topic log passes; for dev-dependencies |
//! | `testing` | no | `conformance` and `testing`: an engine in virtual time, probes and scripted dispatchers; for dev-dependencies |
//! | `facade` | no | [`metrics`]`::facade`: snapshots through the `metrics` facade |
//! | `amqp` | no | `amqp`: an adapter for RabbitMQ |
//! | `kafka` | no | `kafka`: an adapter for Kafka; needs a C compiler; without TLS |
//! | `mqtt` | no | `mqtt`: an adapter for brokers of MQTT 5 |
//! | `nats` | no | `nats`: an adapter for NATS and JetStream |
//! | `postgres` | no | `postgres`: an adapter for notifications of PostgreSQL; `postgres_queue`: background messages in its tables |
//! | `redis` | no | `redis`: an adapter for Redis, channels and streams |
//!
//! TLS is that of rustls with the provider ring, which is handed to each client and never installed for the process.
//!
//! # Guarantees
//! Those of [`Engine`] and of [`delivery`]. Each adapter documents what its `Ok` means.
//!
//! Needs Rust 1.90.

pub mod actor;
#[cfg(feature = "amqp")]
pub mod amqp;
pub mod batch;
pub mod bus;
#[cfg(any(feature = "jetstream", feature = "postgres", feature = "sqlite"))]
mod checksum;
pub mod config;
pub mod console;
pub mod dead_letters;
pub mod delivery;
pub mod file;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "jetstream")]
pub mod jetstream;
#[cfg(feature = "kafka")]
pub mod kafka;
mod lines;
#[cfg(any(feature = "jetstream", feature = "sqlite"))]
mod log_entry;
#[cfg(any(feature = "jetstream", feature = "sqlite"))]
mod log_options;
pub mod logger;
pub mod messenger;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod named;
#[cfg(feature = "nats")]
pub mod nats;
pub mod noop;
pub mod policy;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
pub mod postgres_queue;
pub mod pubsub;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod queue_row;
#[cfg(feature = "redis")]
pub mod redis;
mod runtime;
pub mod secret;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqlite")]
pub mod sqlite_queue;
mod tame;
pub mod targets;
#[cfg(feature = "_tls")]
pub mod tls;
#[cfg(feature = "webhook")]
pub mod webhook;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "mqtt",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
pub mod wire;

pub use actor::ActorAdapter;
pub use batch::Batched;
pub use config::AdapterRegistry;
pub use console::ConsoleAdapter;
pub use dead_letters::{Buried, DeadLetters, DeadLettersReport};
pub use delivery::{Delivery, DeliveryBuilder, DeliveryReport, Fallback, Ticket};
pub use file::FileAdapter;
#[cfg(feature = "jetstream")]
pub use jetstream::{JetStreamLog, JetStreamLogOptions};
pub use logger::LoggerAdapter;
pub use named::{NamedAdapter, NamedAdapters};
pub use noop::NoopAdapter;
#[cfg(feature = "postgres")]
pub use postgres_queue::{PostgresQueue, PostgresQueueOptions};
pub use pubsub::{PubSub, PubSubAdapter};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteLog, SqliteLogOptions};
#[cfg(feature = "sqlite")]
pub use sqlite_queue::{SqliteQueue, SqliteQueueOptions};
pub use targets::{Target, TargetOutcome, Targets};

#[cfg(feature = "conformance")]
#[doc(inline)]
pub use dispatch_core::delivery::conformance;

/// What an implementation of [`Adapter`](model::Adapter) or [`Dispatcher`](model::Dispatcher) is marked with.
pub use async_trait::async_trait;
pub use dispatch_actors::*;
pub use dispatch_core as model;
pub use dispatch_metrics as metrics;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
