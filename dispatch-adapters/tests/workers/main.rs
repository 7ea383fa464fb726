//! Worker processes that are killed in the middle of what they do, and a judge that is never stopped.
//!
//! ```text
//!   this process, the judge ──dispatches──► file, or tables ◄──claims── worker ×4 ──► handler
//!      ▲     │                                                             ▲   │
//!      │     └─────────────────────────── SIGKILL, SIGTERM ────────────────┘   │
//!      └───────────── which attempt has begun, and which has ended ◄───────────┘
//! ```
//! At the end every message that was accepted is done or has failed, as it should; no handler has ended more often than
//! attempts were lost with their workers, or failed; the dead-letter target was told of no message that has not failed, and
//! what it was not told of, since its worker was killed, is listed.
//!
//! `DISPATCH_PROOF=25 cargo test -p dispatch-adapters --features postgres --test workers -- --nocapture` kills 200 times on a
//! file, and on PostgreSQL if `DISPATCH_POSTGRES_URL` names a server. A failure prints `DISPATCH_STOPS_SEED`, which chooses the same points again, as far as the scheduler allows it.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is how a test fails"
)]
#![allow(clippy::print_stdout, reason = "figures of the slow lane are printed on purpose")]

mod asked;
mod judge;
#[cfg(feature = "postgres")]
#[path = "../brokers/support/mod.rs"]
mod support;
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

const FILE: &str = "type = 'embedded'";

#[test]
fn nothing_is_lost_when_workers_on_a_file_are_killed() {
    goes_well("a file", FILE);
}

/// Each run has a schema of its own, which is removed at the end.
#[cfg(feature = "postgres")]
#[test]
fn nothing_is_lost_when_workers_on_postgres_are_killed() {
    let Some(url) = support::server("DISPATCH_POSTGRES_URL") else { return };
    let schema = support::unique("workers");
    let transport =
        format!("type = 'postgres'\nurl = 'env:DISPATCH_POSTGRES_URL'\nschema = '{schema}'\nmigrate = true");
    goes_well("PostgreSQL", &transport);
    actix::System::new().block_on(async {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        actix::spawn(connection);
        client.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
    });
}

fn goes_well(what: &str, transport: &str) {
    let seed = seed();
    let verdict = actix::System::new().block_on(Trial::new(seed, 8 * proof(), false, transport).run());
    println!("{what}: {verdict}");
    assert!(verdict.problems.is_empty(), "{:#?}\nagain with DISPATCH_STOPS_SEED={seed}", verdict.problems);
    assert!(verdict.lost > 0, "no worker was killed while it worked: {verdict}");
}

/// The judge can tell: a handler that says that it is done before it is.
#[test]
fn the_judge_finds_what_was_said_to_be_done_too_early() {
    for _ in 0..5 {
        let Verdict { problems, .. } =
            actix::System::new().block_on(Trial::new(seed(), 10, true, FILE).run());
        if problems.iter().any(|problem| problem.contains("is done, and nobody has handled it")) {
            return;
        }
    }
    unreachable!("it has passed five times");
}
