//! Background messages: sent, handled by workers through an engine, and looked after by people. In virtual time, on
//! queues in memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is how a test fails")]

mod cases;
mod configuring;
mod dead_letters;
mod dispatching;
mod edges;
mod failures;
mod global;
mod limits;
mod metrics;
mod people;
mod rates;
mod retries;
mod running;
mod schedules;
mod starting;
mod stopping;
mod support;
mod trouble;
