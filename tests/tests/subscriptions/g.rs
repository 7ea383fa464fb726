//! Limits.

use dispatch_core::policy::RateLimit;
use dispatch_core::subscription::Event;
use dispatch_tests::simulation::Published;

use super::support::{Exclusive, at, config, ms, new, plain, reliable, with};

#[test]
fn g1_a_burst_over_the_rate_is_delayed_and_complete_and_in_order() {
    let mut simulation = with(config(Exclusive, 1_000).with_rate(RateLimit::per_second(50)), &["A"]);
    simulation.publish(plain(150));
    simulation.advance(ms(999));
    assert_eq!(simulation.deliveries.len(), 50);
    simulation.advance(ms(1_000));
    assert_eq!(simulation.deliveries.len(), 100);
    simulation.advance(ms(1_000));
    let offsets: Vec<_> = simulation.deliveries.iter().map(|(_, offset)| offset.get()).collect();
    assert_eq!(offsets, (0..150).collect::<Vec<_>>());
}

#[test]
fn g1_bytes_are_limited_too() {
    let mut config = config(Exclusive, 1_000);
    config.bytes_per_second = Some(1_000);
    let mut simulation = with(config, &["A"]);
    simulation.publish(vec![Published { bytes: 100, ..Published::default() }; 30]);
    for seconds in 1..=3 {
        simulation.advance(ms(if seconds == 1 { 999 } else { 1_000 }));
        assert_eq!(simulation.deliveries.len(), seconds * 10);
    }
}

#[test]
fn g2_a_quiet_time_saves_up_no_more_than_a_burst() {
    let mut simulation = with(config(Exclusive, 1_000).with_rate(RateLimit::per_second(50)), &["A"]);
    simulation.advance(ms(10_000));
    simulation.publish(plain(150));
    simulation.advance(ms(999));
    assert_eq!(simulation.deliveries.len(), 50);
}

#[test]
fn g7_a_window_is_changed_while_it_is_used() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(10));
    simulation.step(Event::Window(4));
    assert_eq!(new(&mut simulation), "A0 A1 A2 A3");
    simulation.step(Event::Window(2));
    simulation.ack("A", at(0));
    simulation.ack("A", at(1));
    assert_eq!(new(&mut simulation), "", "two are still out");
    simulation.ack("A", at(2));
    assert_eq!(new(&mut simulation), "A4");
}
