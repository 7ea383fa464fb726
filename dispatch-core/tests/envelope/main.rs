//! The JSON form and the CloudEvents form of an envelope: nothing is lost, and bad input is refused by name.
//!
//! `DISPATCH_PROOF=100 cargo test --release -p dispatch-core --test envelope` multiplies the number of cases.

#![allow(clippy::unwrap_used, reason = "what a test makes is valid, or the test is wrong")]

mod bad_events;
mod cloudevents;
mod snapshot;
mod strategies;
mod wire;

use proptest::prelude::ProptestConfig;

/// A number of cases, multiplied by the environment variable `DISPATCH_PROOF`.
fn cases(base: u32) -> ProptestConfig {
    let factor = std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: base * factor, ..ProptestConfig::default() }
}
