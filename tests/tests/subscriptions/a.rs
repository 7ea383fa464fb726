//! At most once, for one consumer at a time.

use super::support::{Exclusive, Failover, at, live, new, plain};

#[test]
fn a1_one_consumer_gets_everything_in_order_and_acks_change_nothing() {
    let mut simulation = live(Exclusive, &["A"]);
    simulation.publish(plain(3));
    simulation.ack("A", at(0));
    assert_eq!(new(&mut simulation), "A0 A1 A2");
}

#[test]
fn a2_without_a_consumer_a_message_is_gone_and_counted() {
    let mut simulation = live(Exclusive, &[]);
    simulation.publish(plain(1));
    simulation.add("A");
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "A1");
    assert_eq!(simulation.status().counters.no_consumer, 1);
}

#[test]
fn a3_a_full_consumer_loses_messages_and_later_ones_flow() {
    for kind in [Exclusive, Failover] {
        let mut simulation = live(kind, &["A", "B"]);
        simulation.publish(plain(4));
        simulation.full.insert("A".to_owned());
        simulation.publish(plain(6));
        simulation.full.clear();
        simulation.publish(plain(1));
        assert_eq!(new(&mut simulation), "A0 A1 A2 A3 A10");
        assert_eq!(simulation.status().counters.full, 6);
    }
}

#[test]
fn a4_a_consumer_that_is_gone_gets_nothing_and_nothing_is_tried_again() {
    let mut simulation = live(Exclusive, &["A"]);
    simulation.disconnect("A");
    simulation.publish(plain(1));
    simulation.add("A");
    assert_eq!(new(&mut simulation), "");
    assert_eq!(simulation.status().counters.no_consumer, 1);
}

#[test]
fn a5_the_next_one_is_promoted_when_the_active_one_is_paused() {
    let mut simulation = live(Failover, &["A", "B"]);
    simulation.pause("A", true);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "B0");
}

#[test]
fn a6_the_next_one_is_promoted_when_the_active_one_is_removed() {
    let mut simulation = live(Failover, &["A", "B"]);
    simulation.disconnect("A");
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "B0");
}

#[test]
fn a7_a_second_consumer_is_refused_and_the_first_one_stays() {
    let mut simulation = live(Exclusive, &["A", "B"]);
    simulation.publish(plain(2));
    assert_eq!(simulation.refused, ["B"]);
    assert_eq!(new(&mut simulation), "A0 A1");
}
