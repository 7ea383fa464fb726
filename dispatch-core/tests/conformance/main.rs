//! The suite of adapters, run on one that is right and on one that is wrong in every way.
#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

mod adapter;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use adapter::{Fault, SECRET, Sound, features, poison};
use dispatch_core::delivery::conformance::{Features, Report, Suite};

/// Nothing here waits for anything but its own next poll.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

fn run(faults: &[Fault]) -> Report {
    let adapter = Arc::new(Sound::with(faults));
    let suite = Suite::new(adapter.clone())
        .with_features(features())
        .with_destination(adapter.destination())
        .with_poison(poison())
        .with_secrets([SECRET])
        .with_shown(format!("{adapter:?}"));
    block_on(suite.run())
}

#[test]
fn a_sound_adapter_passes_every_check() {
    let report = run(&[]);
    report.assert();
    assert_eq!(report.skipped(), Vec::<&str>::new());
    assert_eq!(report.name(), "sound");
}

#[test]
fn every_check_fails_for_an_adapter_that_breaks_its_promise() {
    let mut proven = Vec::new();
    for (fault, check) in Fault::ALL {
        let failed = run(&[fault]).failed();
        assert!(failed.contains(&check), "{fault:?} was to fail '{check}', it failed {failed:?}");
        proven.push(check);
    }
    for check in run(&[]).checks() {
        assert!(proven.contains(&check.name), "no fault shows that '{}' can fail", check.name);
    }
}

#[test]
fn all_failures_are_listed_at_once() {
    let report = run(&[Fault::BlankName, Fault::LosesHeaders, Fault::Reverses]);
    let failed = report.failed();
    for check in ["its name is not blank and does not change", "headers arrive", "order is kept"] {
        assert!(failed.contains(&check), "{report}");
    }
    let text = report.to_string();
    assert!(text.contains("FAILED   headers arrive\n           - the header 'x-conformance'"), "{text}");
}

#[test]
#[should_panic(expected = "FAILED   ids arrive")]
fn a_failed_report_ends_a_test() {
    run(&[Fault::LosesIds]).assert();
}

#[test]
fn what_is_not_promised_is_skipped_and_said() {
    let limited = Features { max_size: features().max_size, ..Features::default() };
    let suite = Suite::new(Arc::new(Sound::with(&[Fault::Reverses]))).with_features(limited);
    let report = block_on(suite.run());
    report.assert();
    let skipped = report.skipped();
    assert!(skipped.contains(&"order is kept") && skipped.contains(&"ids arrive"), "{report}");
}

#[test]
fn a_report_shows_no_secret() {
    let report = run(&[Fault::ShowsSecret]);
    assert!(!report.to_string().contains(SECRET) && !format!("{report:?}").contains(SECRET));
}
