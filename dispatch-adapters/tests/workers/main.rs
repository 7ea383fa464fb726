//! Worker processes that are killed in the middle of what they do, and a judge that is never stopped.
//!
//! ```text
//!   this process, the judge ──dispatches──► the queue, a file ◄──claims── worker ×4 ──► handler
//!      ▲     │                                                             ▲   │
//!      │     └─────────────────────────── SIGKILL, SIGTERM ────────────────┘   │
//!      └───────────── which attempt has begun, and which has ended ◄───────────┘
//! ```
//! At the end every message that was accepted is done or has failed, as it should; and no handler has ended more often
//! than attempts were lost with their workers, or failed.
//!
//! `DISPATCH_PROOF=25 cargo test -p dispatch-adapters --test workers -- --nocapture` kills 200 times. A failure prints
//! `DISPATCH_STOPS_SEED`, which chooses the same points again, as far as the scheduler allows it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is how a test fails")]
#![allow(clippy::print_stdout, reason = "figures of the slow lane are printed on purpose")]

mod judge;
mod trial;
mod worker;

use trial::{Trial, Verdict};

/// What `DISPATCH_PROOF` multiplies the kills with.
fn proof() -> usize {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

fn seed() -> u64 {
    let given = std::env::var("DISPATCH_STOPS_SEED").ok();
    given.map_or_else(rand::random, |text| text.parse().unwrap())
}

#[test]
fn nothing_is_lost_when_workers_on_a_file_are_killed() {
    let seed = seed();
    let verdict = actix::System::new().block_on(Trial::new(seed, 8 * proof(), false).run());
    println!("{verdict}");
    assert!(verdict.problems.is_empty(), "{:#?}\nagain with DISPATCH_STOPS_SEED={seed}", verdict.problems);
    assert!(verdict.lost > 0, "no worker was killed while it worked: {verdict}");
}

/// The judge can tell: a handler that says that it is done before it is.
#[test]
fn the_judge_finds_what_was_said_to_be_done_too_early() {
    for _ in 0..5 {
        let Verdict { problems, .. } = actix::System::new().block_on(Trial::new(seed(), 10, true).run());
        if problems.iter().any(|problem| problem.contains("is done, and nobody has handled it")) {
            return;
        }
    }
    unreachable!("it has passed five times");
}
