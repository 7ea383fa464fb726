//! Processes that publish and consume through the bus, are stopped in the middle of it, and lose nothing.
//!
//! ```text
//!   this process, the judge ──starts──► publisher ──► bus ──┐
//!      ▲     │                                             log: a folder, or JetStream
//!      │     └──SIGKILL, SIGTERM──────► consumers ◄── bus ──┘
//!      └───── what is acknowledged, line by line ◄── both
//! ```
//!
//! On a folder, which belongs to one process, publisher and consumers are one process. The judge is never stopped. It
//! writes down every acknowledgement that it hears of, looks into the log between the runs, and says at the end what
//! does not fit together.
//!
//! `DISPATCH_PROOF=50 cargo test -p dispatch-adapters --features jetstream --test processes -- --nocapture` kills 200
//! times. A failure prints `DISPATCH_STOPS_SEED` and the command that stops at the same points again, as far as
//! the scheduler allows it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]
#![allow(clippy::print_stdout, reason = "figures of the slow lanes are printed on purpose")]

mod fault;
mod judge;
mod kills;
mod place;
mod said;
mod seen;
mod stops;
#[cfg(feature = "jetstream")]
#[path = "../brokers/support/mod.rs"]
mod support;
mod trial;
mod worker;
