//! Faults that were found, each with the test that fails without its fix.

use dispatch_core::subscription::{Exhausted, Resolution};

use super::support::{Exclusive, KeyShared, at, keyed, ms, new, one_try, plain, reliable, with};

#[test]
fn a_message_whose_consumer_went_away_does_not_time_out_while_nobody_has_it() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(2));
    simulation.disconnect("A");
    simulation.advance(ms(3_600_000));
    assert_eq!(simulation.status().counters.timed_out, 0);
    simulation.add("B");
    assert_eq!(new(&mut simulation), "A0 B0");
    simulation.ack("B", at(0));
    assert_eq!(new(&mut simulation), "B1", "and nothing comes twice");
}

#[test]
fn messages_of_keys_that_blocked_take_places_in_the_window_when_they_are_tried_again() {
    let mut simulation = with(one_try(KeyShared, 1, Exhausted::Block), &["A"]);
    simulation.publish(keyed(&["k0", "k1", "k2"]));
    simulation.nack("A", at(0), None);
    simulation.nack("A", at(1), None);
    assert_eq!(new(&mut simulation), "A0 A1 A2");
    simulation.resolve(at(0), Resolution::Retry);
    simulation.resolve(at(1), Resolution::Retry);
    assert_eq!(
        (new(&mut simulation).as_str(), simulation.status().held),
        ("", 1),
        "message 2 has the only place"
    );
    simulation.ack("A", at(2));
    assert_eq!(new(&mut simulation), "A0");
    simulation.ack("A", at(0));
    assert_eq!(new(&mut simulation), "A1");
}
