//! The suite of topic logs: run on the log in memory, on one that is right, and on one that is wrong in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

mod flawed;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dispatch_core::log::conformance::{Features, Report, Suite};
use dispatch_core::log::{MemoryLog, TopicLog};
use flawed::{Fault, Flawed};

/// Nothing here waits for anything but its own next poll. What is still waiting after so many will not come.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
    panic!("it hangs");
}

fn run(fault: Option<Fault>) -> Report {
    let log = Flawed::new(fault);
    let store = log.store();
    let reopened = move || {
        let again: Arc<dyn TopicLog> = match fault {
            Some(Fault::ForgetsAll) => Arc::new(Flawed::new(None)),
            _ => Arc::new(Flawed::on(Arc::clone(&store), fault)),
        };
        async { Ok(again) }
    };
    let features = Features { max_size: Some(Flawed::LIMIT), ..Features::all() };
    block_on(Suite::new(Arc::new(log)).with_features(features).with_reopen(reopened).run())
}

#[test]
fn the_log_in_memory_keeps_its_promises() {
    let features = Features { survives: false, serialises: false, ..Features::all() };
    let report = block_on(Suite::new(Arc::new(MemoryLog::new())).with_features(features).run());
    report.assert();
    assert_eq!(
        report.skipped(),
        [
            "an envelope that cannot be written is refused by name",
            "a batch is stored whole or not at all",
            "everything is there when it is opened again",
        ]
    );
}

#[test]
fn a_sound_log_passes_every_check() {
    let report = run(None);
    report.assert();
    assert_eq!(report.skipped(), Vec::<&str>::new());
    assert_eq!(report.name(), "flawed");
}

#[test]
fn every_check_fails_for_a_log_that_breaks_its_promise() {
    let mut proven = Vec::new();
    for &(fault, check) in Fault::ALL {
        let failed = run(Some(fault)).failed();
        assert!(failed.contains(&check), "{fault:?} was to fail '{check}', it failed {failed:?}");
        proven.push(check);
    }
    for check in run(None).checks() {
        assert!(proven.contains(&check.name), "no fault shows that '{}' can fail", check.name);
    }
}

#[test]
fn what_is_not_promised_is_skipped_and_said() {
    let report = block_on(Suite::new(Arc::new(MemoryLog::new())).with_prefix("bare").run());
    report.assert();
    assert!(report.skipped().contains(&"what is parked is listed in order, page by page"), "{report}");
}

#[test]
fn a_report_says_what_is_wrong() {
    let text = run(Some(Fault::LosesHeaders)).to_string();
    assert!(text.starts_with("log 'flawed': "), "{text}");
    assert!(text.contains("FAILED   an envelope comes back whole\n           - "), "{text}");
}
