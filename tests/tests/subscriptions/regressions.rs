//! Faults that were found, each with the test that fails without its fix.

use std::time::Duration;

use dispatch_core::subscription::{Exhausted, Resolution};

use super::support::{Exclusive, KeyShared, at, config, keyed, ms, new, one_try, plain, reliable, with};

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

#[test]
fn a_consumer_that_takes_nothing_leaves_the_keys_of_the_others_alone() {
    for window in [2, 8, 300] {
        let keys: Vec<_> = (0..3_000).map(|key| format!("key{key}")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let mut simulation = reliable(KeyShared, window, &["A", "B"]);
        for batch in keys.chunks(100) {
            simulation.publish(keyed(batch));
        }
        let (mut index, mut acked) = (0, 0);
        while let Some((name, offset)) = simulation.deliveries.get(index).cloned() {
            if name == "B" {
                simulation.ack("B", offset);
                acked += 1;
            }
            index += 1;
        }
        assert!(acked > 1_300, "B had {acked} of its half of 3,000 messages, with a window of {window}");
        simulation.disconnect("A");
        while let Some((name, offset)) = simulation.deliveries.get(index).cloned() {
            simulation.ack(&name, offset);
            index += 1;
        }
        let status = simulation.status();
        assert_eq!((status.lag(), status.aside, status.held), (0, 0, 0));
    }
}

#[test]
fn times_without_an_end_are_no_overflow() {
    let mut config = config(Exclusive, 1).with_ack_timeout(Duration::MAX).with_cursor_interval(Duration::MAX);
    config.retry = config.retry.with_cap(Duration::MAX);
    let mut simulation = with(config, &["A"]);
    simulation.advance(ms(1_000));
    simulation.publish(plain(2));
    simulation.ack("A", at(0));
    simulation.advance(ms(1_000));
    simulation.nack("A", at(1), Some(Duration::MAX));
    simulation.advance(ms(1_000));
    assert_eq!((new(&mut simulation).as_str(), simulation.status().held), ("A0 A1", 1));
}
