//! The suite of queues: run on the queue in memory, on one that is right, and on one that is wrong in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

mod flawed;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use dispatch_core::queue::conformance::{Features, Life, Report, Suite, SuiteClock};
use dispatch_core::queue::{MemoryQueue, MessageQueue};
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
    let clock = SuiteClock::new();
    let queue = Flawed::new(fault, clock.clone());
    let reopened = {
        let (store, clock) = (queue.store(), clock.clone());
        move || {
            let again: Arc<dyn MessageQueue> = match fault {
                Some(Fault::ForgetsAll) => Arc::new(Flawed::new(None, clock.clone())),
                _ => Arc::new(Flawed::on(Arc::clone(&store), fault, clock.clone())),
            };
            async { Ok(again) }
        }
    };
    let suite = Suite::new(Arc::new(queue)).with_features(Features::default().surviving().keeping_done());
    block_on(suite.with_passing(move |time| clock.pass(time)).with_reopen(reopened).run())
}

#[test]
fn the_queue_in_memory_keeps_its_promises() {
    let clock = SuiteClock::new();
    let queue = MemoryQueue::new("memory").with_clock(Arc::new(clock.clone()));
    let suite = Suite::new(Arc::new(queue)).with_passing(move |time| clock.pass(time));
    let report = block_on(suite.run());
    report.assert();
    assert_eq!(
        report.skipped(),
        ["a message that is done can be found", "everything is there when it is opened again"]
    );
}

#[test]
fn a_sound_queue_passes_every_check() {
    let report = run(None);
    report.assert();
    assert_eq!(report.skipped(), Vec::<&str>::new());
    assert_eq!(report.name(), "flawed");
}

#[test]
fn every_check_fails_for_a_queue_that_breaks_its_promise() {
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

/// Lives of a queue, until one finds something.
fn live(fault: Option<Fault>) -> Result<(), String> {
    (0..30).try_for_each(|seed| {
        let clock = SuiteClock::new();
        clock.pass(std::time::Duration::from_secs(60));
        let queue = Flawed::new(fault, clock.clone());
        block_on(Life::new(Arc::new(queue), clock, Flawed::limits(fault), seed).live())
    })
}

#[test]
fn a_sound_queue_lives_as_the_model_does() {
    assert_eq!(live(None), Ok(()));
}

#[test]
fn a_life_finds_what_is_wrong() {
    let faults = [
        Fault::LosesHeaders,
        Fault::StoresTwice,
        Fault::ForgetsKeys,
        Fault::NeverRejects,
        Fault::NeverReplaces,
        Fault::RemembersForGood,
        Fault::KeepsKeysOfCancelled,
        Fault::IgnoresPriority,
        Fault::ClaimsEarly,
        Fault::ClaimsTwice,
        Fault::IgnoresPauses,
        Fault::NeverExpires,
        Fault::IgnoresOrder,
        Fault::RetriesLosePlace,
        Fault::ReleasesLosePlace,
        Fault::LeasesForGood,
        Fault::NeverExtends,
        Fault::NoFencing,
        Fault::StrictLeases,
        Fault::DoneComesAgain,
        Fault::ForgetsHistory,
        Fault::CountsReleases,
        Fault::CountsWrong,
        Fault::NeverReplays,
        Fault::IgnoresEdits,
    ];
    for fault in faults {
        let found = live(Some(fault)).expect_err(&format!("{fault:?} was not found"));
        assert!(found.starts_with("seed "), "{found}");
    }
}

#[test]
fn without_a_way_to_let_time_pass_what_needs_it_is_skipped_and_said() {
    let suite = Suite::new(Arc::new(MemoryQueue::new("memory"))).with_prefix("bare");
    let report = block_on(suite.with_start(SystemTime::now()).run());
    report.assert();
    assert!(report.skipped().contains(&"an extended lease does not run out"), "{report}");
}

#[test]
fn a_report_says_what_is_wrong() {
    let text = run(Some(Fault::LosesHeaders)).to_string();
    assert!(text.starts_with("queue 'flawed': "), "{text}");
    assert!(text.contains("FAILED   a message comes back whole\n           - "), "{text}");
}
