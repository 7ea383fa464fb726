//! The built-in adapters: each passes the suite, and does what is its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

mod actor;
mod bad_input;
mod bus;
mod config;
mod config_model;
mod config_policies;
mod conformance;
mod console;
mod engine;
mod file;
mod logger;
mod messenger;
mod named;
mod plain_secrets;
mod policy;
mod pubsub;
mod support;
