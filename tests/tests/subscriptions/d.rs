//! At least once, shared.

use super::support::{Shared, ack_all, at, ms, new, plain, reliable};

#[test]
fn d1_a_window_of_one_goes_round() {
    let mut simulation = reliable(Shared, 1, &["A", "B"]);
    simulation.publish(plain(4));
    assert_eq!(ack_all(&mut simulation), "A0 B1 A2 B3");
}

#[test]
fn d2_a_consumer_that_is_skipped_costs_nobody_a_message() {
    let mut simulation = reliable(Shared, 1, &["A", "B", "C"]);
    simulation.pause("B", true);
    simulation.publish(plain(6));
    assert_eq!(ack_all(&mut simulation), "A0 C1 A2 C3 A4 C5");
}

#[test]
fn d3_when_nobody_is_ready_the_message_waits() {
    let mut simulation = reliable(Shared, 1, &["A", "B"]);
    simulation.pause("A", true);
    simulation.pause("B", true);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "");
    simulation.pause("A", false);
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn d4_what_a_consumer_had_goes_to_the_others_and_what_they_have_is_not_sent_again() {
    let mut simulation = reliable(Shared, 8, &["A", "B"]);
    simulation.publish(plain(8));
    for offset in [1, 3, 5] {
        simulation.ack("B", at(offset));
    }
    assert_eq!(new(&mut simulation), "A0 B1 A2 B3 A4 B5 A6 B7");
    simulation.disconnect("A");
    assert_eq!(new(&mut simulation), "B0 B2 B4 B6");
}

#[test]
fn d5_a_silent_consumer_leaves_the_others_their_share() {
    let mut simulation = reliable(Shared, 10, &["A", "B"]);
    simulation.publish(plain(100));
    let mut acked = 0;
    loop {
        let deliveries = std::mem::take(&mut simulation.deliveries);
        let theirs: Vec<_> = deliveries.iter().filter(|(name, _)| name == "B").collect();
        if theirs.is_empty() {
            break;
        }
        for (name, offset) in theirs {
            simulation.ack(name, *offset);
            acked += 1;
        }
    }
    assert_eq!((acked, simulation.status().in_flight), (95, 5));
}

#[test]
fn d6_a_refused_message_goes_to_whose_turn_it_is() {
    let mut simulation = reliable(Shared, 2, &["A", "B"]);
    simulation.publish(plain(1));
    simulation.nack("A", at(0), None);
    simulation.advance(ms(1_000));
    simulation.nack("B", at(0), None);
    simulation.advance(ms(2_000));
    assert_eq!(new(&mut simulation), "A0 B0 A0");
}

#[test]
fn d7_when_all_fail_each_is_tried_once_and_no_attempt_is_lost() {
    let mut simulation = reliable(Shared, 1, &["A", "B", "C"]);
    simulation.publish(plain(1));
    for name in ["A", "B", "C"] {
        simulation.disconnect(name);
    }
    simulation.advance(ms(60_000));
    assert_eq!(new(&mut simulation), "A0 B0 C0");
    simulation.add("D");
    assert_eq!(simulation.last_token("D", at(0)).map(|token| token.attempt), Some(1));
}
