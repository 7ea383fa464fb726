//! At least once, with keys.

use dispatch_core::subscription::Exhausted;
use dispatch_tests::simulation::Simulation;

use super::support::{
    KeyShared, ack_all, at, config, cursor, keyed, ms, new, one_try, plain, reliable, with,
};

/// Who had which key, of everything that was delivered.
fn owners(simulation: &Simulation, keys: &[&str]) -> Vec<String> {
    let owner = |key: &&str| {
        let theirs = simulation.deliveries.iter().rev();
        let mut theirs = theirs.filter(|(_, offset)| {
            simulation.log.get(*offset).is_some_and(|sent| sent.key.as_deref() == Some(*key))
        });
        theirs.next().map(|(name, _)| name.clone()).unwrap_or_default()
    };
    keys.iter().map(owner).collect()
}

fn ack_in_order(simulation: &mut Simulation) {
    let mut index = 0;
    while let Some((name, offset)) = simulation.deliveries.get(index).cloned() {
        simulation.ack(&name, offset);
        index += 1;
    }
}

#[test]
fn e1_a_key_stays_with_its_consumer_and_keys_go_side_by_side() {
    let keys: Vec<_> = (0..40).map(|key| format!("key{key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let mut simulation = reliable(KeyShared, 100, &["A", "B", "C"]);
    simulation.publish(keyed(&keys));
    assert_eq!(simulation.status().in_flight, 40);
    ack_in_order(&mut simulation);
    let before = owners(&simulation, &keys);
    simulation.deliveries.clear();
    simulation.publish(keyed(&keys));
    assert_eq!(owners(&simulation, &keys), before);
    assert!(["A", "B", "C"].iter().all(|name| before.iter().any(|owner| owner == name)), "{before:?}");
}

#[test]
fn e2_of_a_key_one_message_is_out_and_the_next_follows_its_ack() {
    let mut simulation = reliable(KeyShared, 10, &["A"]);
    simulation.publish(keyed(&["k", "k", "j", "k"]));
    assert_eq!(new(&mut simulation), "A0 A2");
    simulation.ack("A", at(0));
    assert_eq!(new(&mut simulation), "A1");
    simulation.ack("A", at(1));
    assert_eq!(new(&mut simulation), "A3");
}

#[test]
fn e3_messages_without_a_key_go_round() {
    let mut simulation = reliable(KeyShared, 4, &["A", "B"]);
    simulation.publish(plain(4));
    assert_eq!(new(&mut simulation), "A0 B1 A2 B3");
}

#[test]
fn e4_a_key_goes_to_who_takes_it_and_is_skipped_if_nobody_does() {
    let mut simulation = reliable(KeyShared, 10, &[]);
    simulation.add_with_keys("A", Some("pay*"));
    simulation.add("B");
    simulation.publish(keyed(&["ship1", "ship2", "ship3"]));
    assert_eq!(ack_all(&mut simulation), "B0 B1 B2");
    simulation.disconnect("B");
    simulation.publish(keyed(&["ship1", "pay1", "ship1"]));
    assert_eq!(ack_all(&mut simulation), "A4");
    assert_eq!((cursor(&simulation), simulation.status().counters.unroutable), (6, 2));
}

#[test]
fn e5_what_a_consumer_had_moves_with_its_keys_and_keeps_their_order() {
    let keys = ["a", "b", "c", "d", "a", "b", "c", "d", "a", "b", "c", "d"];
    let mut simulation = reliable(KeyShared, 12, &["A", "B"]);
    simulation.publish(keyed(&keys));
    simulation.disconnect("A");
    simulation.advance(ms(3_000));
    let mut seen = Vec::new();
    while !simulation.deliveries.is_empty() {
        for (name, offset) in std::mem::take(&mut simulation.deliveries) {
            if name == "B" {
                seen.push(offset.get());
                simulation.ack("B", offset);
            }
        }
    }
    for key in 0..4 {
        let of_key: Vec<_> = seen.iter().filter(|offset| *offset % 4 == key).copied().collect();
        assert_eq!(of_key, [key, key + 4, key + 8], "B has them in order, and all of them");
    }
}

#[test]
fn e6_a_poison_message_that_is_dropped_takes_nothing_of_its_key_with_it() {
    let mut simulation = with(one_try(KeyShared, 4, Exhausted::Drop), &["A"]);
    simulation.publish(keyed(&["k", "k", "k", "k"]));
    simulation.nack("A", at(0), None);
    new(&mut simulation);
    simulation.ack("A", at(1));
    assert_eq!(ack_all(&mut simulation), "A2 A3");
    assert_eq!((cursor(&simulation), simulation.status().counters.dropped), (4, 1));
}

#[test]
fn e7_a_third_consumer_gets_a_third_of_the_keys_and_what_is_out_stays_where_it_is() {
    let keys: Vec<_> = (0..900).map(|key| format!("key{key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let mut simulation = reliable(KeyShared, 2_000, &["A", "B"]);
    simulation.publish(keyed(&keys));
    ack_in_order(&mut simulation);
    let before = owners(&simulation, &keys);
    simulation.deliveries.clear();
    simulation.publish(keyed(&keys[..1]));
    let (holder, offset) = simulation.deliveries[0].clone();
    simulation.add("C");
    simulation.publish(keyed(&keys[..1]));
    assert_eq!(simulation.deliveries.len(), 1, "the key is out");
    simulation.ack(&holder, offset);
    ack_in_order(&mut simulation);
    simulation.deliveries.clear();
    simulation.publish(keyed(&keys));
    ack_in_order(&mut simulation);
    let after = owners(&simulation, &keys);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
    assert!(moved.iter().all(|(_, new)| *new == "C"), "keys moved between those that were there");
    assert!((240..=360).contains(&moved.len()), "{} of 900 keys moved", moved.len());
}

#[test]
fn e8_the_order_of_a_key_outlives_a_pause_of_its_consumer() {
    let mut simulation = reliable(KeyShared, 4, &["A"]);
    simulation.pause("A", true);
    simulation.publish(keyed(&["k", "k"]));
    assert_eq!(new(&mut simulation), "");
    simulation.pause("A", false);
    assert_eq!(ack_all(&mut simulation), "A0 A1");
}

#[test]
fn e8_the_order_of_a_key_outlives_redelivery() {
    let mut config = config(KeyShared, 4);
    config.retry = config.retry.with_base(ms(100));
    let mut simulation = with(config, &["A", "B"]);
    simulation.publish(keyed(&["k", "k"]));
    let (holder, _) = simulation.deliveries[0].clone();
    simulation.nack(&holder, at(0), None);
    simulation.publish(keyed(&["k"]));
    simulation.advance(ms(100));
    let offsets: Vec<_> = simulation.deliveries.iter().map(|(_, offset)| offset.get()).collect();
    assert_eq!(offsets, [0, 0]);
    simulation.deliveries.drain(..1);
    ack_in_order(&mut simulation);
    let offsets: Vec<_> = simulation.deliveries.iter().map(|(_, offset)| offset.get()).collect();
    assert_eq!(offsets, [0, 1, 2]);
}
