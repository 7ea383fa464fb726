//! Processes that are asked to stop, as a service manager does.

use crate::fault::Fault;
use crate::kills::{goes_well, proof, seed, verdict};
use crate::place::Place;
use crate::trial::{Stop, Trial};

fn trial(place: Place) -> Trial {
    Trial { place, stop: Stop::Ask, stops: 4 * proof(), fault: None, seed: seed() }
}

#[test]
fn a_process_on_a_folder_that_is_asked_to_stop_brings_nothing_twice_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    goes_well(&trial(Place::Folder(folder.path().join("log"))), "a folder");
}

#[cfg(feature = "jetstream")]
#[test]
fn a_process_on_jetstream_that_is_asked_to_stop_brings_nothing_twice_that_was_acknowledged() {
    let Some(server) = crate::place::Server::new() else { return };
    goes_well(&trial(server.place()), "JetStream");
}

#[test]
fn the_judge_finds_a_stop_that_saves_no_cursor() {
    let said = verdict(Fault::SavesNothing, Stop::Ask);
    assert!(said.contains("again, which it had acknowledged"), "it has passed: {said}");
}
