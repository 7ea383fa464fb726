//! Patterns, the matcher and its cache against naive models.
//!
//! `DISPATCH_PROOF=100 cargo test --release -p dispatch-core --test matcher` multiplies the number of cases; the
//! default is 1. A case that fails is shrunk, printed and written to `proptest-regressions` next to this folder;
//! from then on every run of the same command replays it first.

#![allow(clippy::expect_used, reason = "what a test makes is valid, or the test is wrong")]

mod cache;
mod find;
mod model;
mod pattern;
mod strategies;

use proptest::prelude::ProptestConfig;

/// A number of cases, multiplied by the environment variable `DISPATCH_PROOF`.
fn cases(base: u32) -> ProptestConfig {
    let factor = std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: base * factor, ..ProptestConfig::default() }
}
