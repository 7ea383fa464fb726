//! The adapters of brokers against real servers.
//!
//! A server is found by its variable, such as `DISPATCH_NATS_URL`; without it its tests are skipped and say so. With
//! `DISPATCH_REQUIRE_SERVERS=1` a server that is not given is a failure. Names are new for each run, and what is made
//! on a server is removed again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "jetstream")]
mod jetstream;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_queue;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "mqtt",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
mod support;
