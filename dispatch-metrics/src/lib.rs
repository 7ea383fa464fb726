//! What a dispatch engine counts: a snapshot model of plain numbers, the recorder that fills it, and exporters.
//!
//! It is **not** a metrics framework: it has no registry of its own, no clock, no runtime, no global state and no
//! locks. Whoever records owns the [`Recorder`]; whoever reads gets a [`DispatchMetrics`]. Deliveries are recorded by a
//! [`DeliveryRecorder`], from any thread, and read as [`DeliveryMetrics`].
//!
//! ```
//! use std::time::Duration;
//! use dispatch_core::{Category, DispatchStatus};
//! use dispatch_metrics::{DispatchMetrics, DispatchRecord, ExecutionOutcome, ExecutionRecord};
//!
//! let mut metrics = DispatchMetrics::new("shop");
//! let failed = ExecutionRecord {
//!     error: Some("IoError: disk is full"),
//!     ..ExecutionRecord::new("archive", ExecutionOutcome::Error, Duration::from_millis(7))
//! };
//! metrics.record_dispatch(&DispatchRecord {
//!     category: Some(Category::Event),
//!     topic: Some("shop.order.events"),
//!     routes_matched: 1,
//!     executions: &[failed],
//!     ..DispatchRecord::new(DispatchStatus::DispatcherError, Duration::from_millis(8))
//! });
//!
//! assert_eq!(metrics.error_rate(), 1.0);
//! let json = serde_json::to_value(&metrics)?;
//! assert_eq!(json["dispatcher_metrics"]["archive"]["last_error_message"], "IoError: disk is full");
//! assert_eq!(json["latency_histogram"]["le_10ms"], 1);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Concepts
//! - [`Recorder`]: takes [`DispatchSample`]s and [`ExecutionSample`]s by number, on the hot path.
//! - [`DispatchMetrics`]: the snapshot; also takes facts itself, by name; merges with those of other shards.
//! - [`DeliveryRecorder`]: observes deliveries; a [`DeliveryMeter`] of it those of one destination, on the hot path.
//! - [`DeliveryMetrics`]: the snapshot of deliveries, by adapter and destination.
//! - [`BusMetrics`]: the snapshot of the subscriptions of a bus: lag, what is unacknowledged, and what has happened.
//! - [`MessengerMetrics`]: the snapshot of a messenger: what is in its queues, what was sent, and what workers have done.
//! - [`Latency`] and [`Histogram`]: durations, kept as whole nanoseconds and shown as milliseconds.
//! - [`catalog`]: every exported series, once, with its meaning.
//!
//! # Guarantees
//! - An outcome is counted once: `success_count + error_count + timeout_count == execution_count`. Panics are
//!   errors.
//! - Every dispatch is in the latency and under one status, so the buckets of the histogram add up to
//!   `total_dispatches`.
//! - Every attempt of a delivery is delivered, failed, abandoned or in flight: the four add up to the attempts.
//! - The numbers of topics, of retired dispatchers, of destinations and of message types told apart are bounded.
//! - Error texts are kept as they are given: sanitise them first, with `dispatch_core::redact`.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `prometheus` | yes | `prometheus`: snapshots as Prometheus text, or as a collector in your own registry |
//! | `facade` | no | `facade`: snapshots through the `metrics` facade |
//!
//! Needs Rust 1.90.

pub mod catalog;
mod delivery;
#[cfg(feature = "facade")]
pub mod facade;
mod histogram;
mod latency;
mod messenger;
mod millis;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod record;
mod recorder;
mod retired;
mod snapshot;
mod subscription;

pub use delivery::{
    AttemptMetrics, AttemptOutcome, BreakerMetrics, DeliveryMeter, DeliveryMetrics, DeliveryRecorder,
    DestinationMetrics, FailureMetrics,
};
pub use histogram::Histogram;
pub use latency::Latency;
pub use messenger::{
    HealthLimits, MessengerMetrics, QueueMetrics, SendMetrics, TransportMetrics, TypeMetrics, WorkMetrics,
    WorkerMetrics,
};
pub use record::{
    DispatchRecord, DispatchSample, DispatcherEvent, ExecutionOutcome, ExecutionRecord, ExecutionSample,
};
pub use recorder::{DispatcherSlot, Recorder, TopicSlot};
pub use snapshot::{CategoryMetrics, DispatchMetrics, DispatcherMetrics, StatusMetrics, TopicMetrics};
pub use subscription::{BusMetrics, SubscriptionMetrics};

/// How many topics have figures of their own unless something else is configured.
pub const DEFAULT_TOPIC_LIMIT: usize = 1_000;

/// The name under which the topics beyond the bound are counted together.
pub const OTHER_TOPICS: &str = "other";

/// How many dispatchers that are gone have figures of their own.
pub const RETIRED_LIMIT: usize = 1_000;

/// The name under which the dispatchers that went before those are counted together; no id has white space.
pub const RETIRED_DISPATCHERS: &str = "retired dispatchers";

/// How many destinations have figures of their own unless something else is configured.
pub const DEFAULT_DESTINATION_LIMIT: usize = 1_000;

/// The adapter and the destination under which the deliveries beyond the bound are counted together.
pub const OTHER_DESTINATIONS: &str = "other";

/// How many message types of a transport have figures of their own unless something else is configured.
pub const DEFAULT_TYPE_LIMIT: usize = 200;

/// The name under which the message types beyond the bound are counted together; no type has white space.
pub const OTHER_TYPES: &str = "other types";
