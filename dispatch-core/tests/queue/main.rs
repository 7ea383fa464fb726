//! The queue of background messages against a model that looks at everything every time.
//!
//! `DISPATCH_PROOF=100 cargo test --release -p dispatch-core --test queue` multiplies the number of runs. A run that
//! fails is made small, and its seed is kept in a file beside this one that replays it first the next time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is how a test fails")]

mod lives;
mod model;
mod step;

/// A number of runs, multiplied by the environment variable `DISPATCH_PROOF`.
fn runs(count: u32) -> u32 {
    let factor = std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    count * factor
}
