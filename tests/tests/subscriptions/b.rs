//! At most once, shared.

use super::support::{Shared, live, new, plain};

#[test]
fn b1_messages_go_round() {
    let mut simulation = live(Shared, &["A", "B", "C"]);
    simulation.publish(plain(9));
    assert_eq!(new(&mut simulation), "A0 B1 C2 A3 B4 C5 A6 B7 C8");
}

#[test]
fn b2_a_consumer_that_is_skipped_costs_nobody_a_message() {
    let mut simulation = live(Shared, &["A", "B", "C"]);
    simulation.pause("B", true);
    simulation.publish(plain(6));
    assert_eq!(new(&mut simulation), "A0 C1 A2 C3 A4 C5");
}

#[test]
fn b3_a_full_consumer_is_passed_over() {
    let mut simulation = live(Shared, &["A", "B"]);
    simulation.full.insert("A".to_owned());
    simulation.publish(plain(4));
    assert_eq!(new(&mut simulation), "B0 B1 B2 B3");
}

#[test]
fn b4_when_all_are_full_the_message_is_dropped_and_counted() {
    let mut simulation = live(Shared, &["A", "B"]);
    simulation.full.extend(["A".to_owned(), "B".to_owned()]);
    simulation.publish(plain(1));
    assert_eq!((new(&mut simulation).as_str(), simulation.status().counters.full), ("", 1));
}

#[test]
fn b5_when_nobody_is_ready_the_message_is_dropped_and_counted() {
    let mut simulation = live(Shared, &["A", "B"]);
    simulation.pause("A", true);
    simulation.pause("B", true);
    simulation.publish(plain(1));
    assert_eq!((new(&mut simulation).as_str(), simulation.status().counters.no_consumer), ("", 1));
}

#[test]
fn b6_a_consumer_that_joins_gets_its_turn() {
    let mut simulation = live(Shared, &["A", "B"]);
    simulation.publish(plain(2));
    simulation.add("C");
    simulation.publish(plain(3));
    assert_eq!(new(&mut simulation), "A0 B1 C2 A3 B4");
}

#[test]
fn b7_subscriptions_do_not_know_each_other() {
    let (mut first, mut second) = (live(Shared, &["A"]), live(Shared, &["B"]));
    first.full.insert("A".to_owned());
    first.publish(plain(1));
    second.publish(plain(1));
    assert_eq!((new(&mut first).as_str(), new(&mut second).as_str()), ("", "B0"));
}
