//! The queue in a file: the public suite, random lives beside the model, damage, limits, transactions of others.
//!
//! `DISPATCH_PROOF` multiplies the lives.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "this is how a test fails")]

mod conformance;
mod dead_letters;
mod front;
mod outbox;
#[path = "../shared/rates.rs"]
mod rates;
mod shared;
mod support;
mod trouble;
