//! The topic log in a folder: the suite, faults, and what survives a crash.
//!
//! `DISPATCH_PROOF=100 cargo test --release -p dispatch-adapters --test sqlite` multiplies the rounds of crashes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]
#![allow(clippy::print_stdout, reason = "figures of the slow lanes are printed on purpose")]

mod bus;
mod conformance;
mod damage;
mod faults;
mod power;
mod size;
mod support;
mod victim;
