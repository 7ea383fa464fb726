//! Processes that are killed at random points.

use crate::fault::Fault;
use crate::place::Place;
use crate::trial::{Stop, Trial};

/// What `DISPATCH_PROOF` multiplies the stops with.
pub(crate) fn proof() -> usize {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

/// A new seed, or the one that is to be tried again.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("DISPATCH_STOPS_SEED").ok();
    given.map_or_else(rand::random, |text| text.parse().expect("DISPATCH_STOPS_SEED must be a number"))
}

/// Runs a trial in which nothing may go wrong, and prints its figures.
pub(crate) fn goes_well(trial: &Trial, what: &str) {
    let since = std::time::Instant::now();
    let judge = trial.run();
    println!("{what}: {judge}\n  in {:?}", since.elapsed());
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    assert!(
        judge.problems.is_empty(),
        "{:#?}\nagain with: DISPATCH_STOPS_SEED={} DISPATCH_PROOF={} cargo test -p dispatch-adapters --features \
         jetstream --test processes -- --exact {test}",
        judge.problems,
        trial.seed,
        proof(),
    );
}

/// What the judge says of a log with a fault.
pub(crate) fn verdict(fault: Fault, stop: Stop) -> String {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::Folder(folder.path().join("log"));
    let judge = Trial { place, stop, stops: 20, fault: Some(fault), seed: seed() }.run();
    println!("{fault:?}: {judge}");
    judge.problems.join("\n")
}

#[test]
fn f7_nothing_is_lost_or_skipped_when_processes_on_a_folder_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (place, stop, stops) = (Place::Folder(folder.path().join("log")), Stop::Kill, 4 * proof());
    goes_well(&Trial { place, stop, stops, fault: None, seed: seed() }, "a folder");
}

#[cfg(feature = "jetstream")]
#[test]
fn nothing_is_lost_or_skipped_when_processes_on_jetstream_are_killed() {
    let Some(server) = crate::place::Server::new() else { return };
    let (stop, stops) = (Stop::Kill, 4 * proof());
    goes_well(&Trial { place: server.place(), stop, stops, fault: None, seed: seed() }, "JetStream");
}

#[test]
fn the_judge_finds_a_log_that_acknowledges_before_it_writes() {
    let said = verdict(Fault::AcknowledgesEarly, Stop::Kill);
    // It is gone, or something else is where it was, or a cursor has passed it.
    let found = ["acknowledged at", "and then", "already passed"].iter().any(|text| said.contains(text));
    assert!(found, "it has passed: {said}");
}

#[test]
fn the_judge_finds_a_cursor_that_is_saved_before_the_acknowledgement() {
    let said = verdict(Fault::SavesEarly, Stop::Kill);
    assert!(said.contains("which nobody acknowledged"), "it has passed: {said}");
}

#[test]
fn the_judge_finds_a_message_that_is_neither_taken_nor_parked() {
    let said = verdict(Fault::ParksNothing, Stop::Kill);
    assert!(said.contains("which nobody took and nobody parked"), "it has passed: {said}");
}
