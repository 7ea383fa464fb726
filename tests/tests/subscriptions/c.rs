//! At least once: window, acknowledgement, redelivery.

use dispatch_core::log::OffsetRanges;
use dispatch_core::subscription::{Effect, Event, Exhausted};
use dispatch_tests::simulation::Simulation;

use super::support::{
    Exclusive, Failover, Shared, ack_all, at, config, cursor, ms, new, one_try, plain, reliable, with,
};

#[test]
fn c1_a_window_of_one_is_one_after_the_other_and_an_ack_brings_the_next_at_once() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(3));
    simulation.advance(ms(29_999));
    assert_eq!(new(&mut simulation), "A0");
    simulation.ack("A", at(0));
    assert_eq!(new(&mut simulation), "A1");
}

#[test]
fn c2_as_many_as_the_window_are_out_and_an_ack_makes_room_for_one() {
    let mut simulation = reliable(Exclusive, 3, &["A"]);
    simulation.publish(plain(10));
    assert_eq!(new(&mut simulation), "A0 A1 A2");
    simulation.ack("A", at(1));
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("A3", 0));
    simulation.ack("A", at(0));
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("A4", 2));
}

#[test]
fn c3_the_cursor_stands_at_the_first_that_is_not_acknowledged() {
    let mut simulation = reliable(Exclusive, 5, &["A"]);
    simulation.publish(plain(5));
    for (offset, expected) in [(4, 0), (2, 0), (0, 1), (1, 3), (3, 5)] {
        simulation.ack("A", at(offset));
        assert_eq!(cursor(&simulation), expected, "after {offset}");
    }
}

#[test]
fn c4_an_ack_given_twice_or_of_nothing_is_counted_and_changes_nothing() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(3));
    simulation.ack("A", at(0));
    simulation.ack("A", at(0));
    simulation.ack("A", at(99));
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("A0 A1", 1));
    assert_eq!(simulation.status().counters.stale, 1);
}

#[test]
fn c5_an_ack_by_another_consumer_does_not_count() {
    let mut simulation = reliable(Shared, 2, &["A", "B"]);
    simulation.publish(plain(1));
    simulation.ack("B", at(0));
    assert_eq!((cursor(&simulation), simulation.status().counters.stale), (0, 1));
    simulation.ack("A", at(0));
    assert_eq!(cursor(&simulation), 1);
}

#[test]
fn c7_a_wake_up_that_was_lost_is_made_good_by_the_next_heartbeat() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish_unheard(plain(1));
    assert_eq!(new(&mut simulation), "");
    simulation.hear();
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn c8_one_wake_up_is_enough_for_a_hundred_messages() {
    let mut simulation = reliable(Exclusive, 3, &["A"]);
    simulation.publish_unheard(plain(100));
    simulation.hear();
    assert_eq!(ack_all(&mut simulation).split(' ').count(), 100);
    assert_eq!(cursor(&simulation), 100);
}

#[test]
fn c9_what_happens_while_a_read_is_under_way_is_done_at_once() {
    let mut simulation = reliable(Shared, 4, &["A"]).by_hand();
    simulation.publish(plain(2));
    simulation.publish_unheard(plain(100));
    simulation.hear();
    assert!(matches!(simulation.open[..], [Effect::Fetch(_)]), "{:?}", simulation.open);
    assert_eq!(new(&mut simulation), "A0 A1");
    simulation.add("B");
    simulation.nack("A", at(0), Some(ms(0)));
    assert_eq!(new(&mut simulation), "B0");
    simulation.disconnect("A");
    assert_eq!(new(&mut simulation), "B1");
    simulation.ack("B", at(0));
    simulation.step(Event::Flush);
    assert!(matches!(simulation.open[..], [Effect::Fetch(_), Effect::Save(_)]), "{:?}", simulation.open);
}

#[test]
fn c10_an_unacknowledged_message_times_out_though_later_ones_are_acknowledged() {
    let mut simulation = reliable(Exclusive, 3, &["A"]);
    simulation.publish(plain(3));
    simulation.ack("A", at(2));
    simulation.ack("A", at(1));
    assert_eq!(new(&mut simulation), "A0 A1 A2");
    simulation.advance(ms(31_000));
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn c11_a_subscription_to_a_log_with_old_messages_serves_commands() {
    let mut simulation = Simulation::new(config(Shared, 1), 0);
    simulation.publish_unheard(plain(10));
    simulation.saved = (simulation.log.head(), OffsetRanges::default());
    simulation.restart();
    for name in ["A", "B"] {
        simulation.add(name);
    }
    simulation.disconnect("A");
    assert_eq!((simulation.status().consumers, new(&mut simulation).as_str()), (1, ""));
    assert!(simulation.open.is_empty());
}

#[test]
fn c12_a_subscription_that_begins_with_what_comes_gets_nothing_old() {
    let mut simulation = Simulation::new(config(Exclusive, 1), 0);
    simulation.publish_unheard(plain(10));
    simulation.saved = (simulation.log.head(), OffsetRanges::default());
    simulation.restart();
    simulation.add("A");
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "A10");
}

#[test]
fn c13_delivery_goes_on_at_the_cursor() {
    let mut simulation = Simulation::new(config(Exclusive, 1), 0);
    simulation.publish_unheard(plain(10));
    simulation.saved = (at(8), OffsetRanges::default());
    simulation.restart();
    simulation.add("A");
    assert_eq!(new(&mut simulation), "A8");
}

#[test]
fn c14_a_refused_message_comes_again_after_the_backoff_to_the_millisecond_and_others_go_on() {
    let mut simulation = reliable(Exclusive, 3, &["A"]);
    simulation.publish(plain(4));
    simulation.nack("A", at(0), None);
    simulation.ack("A", at(1));
    simulation.advance(ms(999));
    assert_eq!(new(&mut simulation), "A0 A1 A2 A3");
    simulation.advance(ms(1));
    assert_eq!(new(&mut simulation), "A0");
    assert_eq!(simulation.last_token("A", at(0)).map(|token| token.attempt), Some(2));
}

#[test]
fn c15_a_delay_that_was_asked_for_counts_as_it_is_up_to_the_cap() {
    for (asked, expected) in [(0, 0), (200, 200), (2_500, 2_500), (60_000, 5_000)] {
        let mut config = config(Exclusive, 1);
        config.retry = config.retry.with_cap(ms(5_000));
        let mut simulation = with(config, &["A"]);
        simulation.publish(plain(1));
        simulation.nack("A", at(0), Some(ms(asked)));
        if expected > 0 {
            simulation.advance(ms(expected - 1));
            assert_eq!(new(&mut simulation), "A0");
            simulation.advance(ms(1));
            assert_eq!(new(&mut simulation), "A0", "{asked}");
        } else {
            assert_eq!(new(&mut simulation), "A0 A0", "{asked}");
        }
    }
}

#[test]
fn c16_delays_double_up_to_the_cap() {
    let mut config = config(Exclusive, 1);
    config.retry = config.retry.with_max_retries(7).with_cap(ms(60_000));
    let mut simulation = with(config, &["A"]);
    simulation.publish(plain(1));
    for seconds in [1, 2, 4, 8, 16, 32, 60] {
        assert_eq!(new(&mut simulation), "A0", "before {seconds} s");
        simulation.nack("A", at(0), None);
        simulation.advance(ms(seconds * 1_000 - 1));
        assert_eq!(new(&mut simulation), "", "before {seconds} s are over");
        simulation.advance(ms(1));
    }
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn c17_an_ack_that_comes_after_the_timeout_does_not_count() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(1));
    simulation.advance(ms(30_000));
    assert_eq!(simulation.status().counters.timed_out, 1);
    simulation.ack("A", at(0));
    assert_eq!((cursor(&simulation), simulation.status().counters.stale), (0, 1));
    simulation.advance(ms(999));
    assert_eq!(new(&mut simulation), "A0");
    simulation.advance(ms(1));
    assert_eq!(new(&mut simulation), "A0");
    simulation.ack("A", at(0));
    assert_eq!(cursor(&simulation), 1);
}

#[test]
fn c18_a_message_is_sent_once_more_than_it_has_retries() {
    let mut config = config(Exclusive, 1);
    config.retry = config.retry.with_max_retries(5);
    let mut simulation = with(config, &["A"]);
    simulation.publish(plain(1));
    for _ in 0..20 {
        simulation.nack("A", at(0), Some(ms(0)));
    }
    assert_eq!(new(&mut simulation), "A0 A0 A0 A0 A0 A0");
    assert_eq!(simulation.status().counters.exhausted, 1);
}

#[test]
fn c19_block_stops_what_is_new_and_the_cursor() {
    for kind in [Exclusive, Failover, Shared] {
        let mut simulation = with(one_try(kind, 3, Exhausted::Block), &["A"]);
        simulation.publish(plain(6));
        simulation.nack("A", at(1), None);
        simulation.ack("A", at(0));
        simulation.ack("A", at(2));
        simulation.advance(ms(120_000));
        assert_eq!(new(&mut simulation), "A0 A1 A2");
        assert_eq!((cursor(&simulation), simulation.blocked()), (1, vec![at(1)]));
    }
}

#[test]
fn c20_drop_goes_on() {
    let mut simulation = with(one_try(Exclusive, 1, Exhausted::Drop), &["A"]);
    simulation.publish(plain(2));
    simulation.nack("A", at(0), None);
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("A0 A1", 1));
    assert_eq!(simulation.status().counters.dropped, 1);
}

#[test]
fn c21_a_dead_letter_says_all_that_is_known_and_the_cursor_waits_until_it_is_kept() {
    let mut config = config(Exclusive, 1).when_exhausted(Exhausted::DeadLetter);
    config.retry = config.retry.with_max_retries(1);
    let mut simulation = with(config, &["A"]).by_hand();
    simulation.publish(plain(2));
    simulation.nack_because("A", at(0), Some(ms(0)), "first");
    simulation.nack_because("A", at(0), None, "last");
    let [Effect::DeadLetter(letter)] = &simulation.open[..] else { panic!("{:?}", simulation.open) };
    assert_eq!((letter.keep.offset, letter.attempts), (at(0), 2));
    assert_eq!((letter.first_reason.as_str(), letter.last_reason.as_str()), ("first", "last"));
    let asked = simulation.open.remove(0);
    let failed = simulation.fail(asked).expect("an answer");
    simulation.step(failed);
    assert_eq!(cursor(&simulation), 0);
    simulation.advance(ms(700));
    let asked = simulation.open.remove(0);
    let kept = simulation.answer(asked).expect("an answer");
    assert_eq!((cursor(&simulation), new(&mut simulation).as_str()), (0, "A0 A0"));
    simulation.step(kept);
    assert_eq!((cursor(&simulation), new(&mut simulation).as_str()), (1, "A1"));
    assert_eq!((simulation.dead.as_slice(), simulation.status().counters.dead_lettered), (&[at(0)][..], 1));
}

#[test]
fn c23_a_consumer_that_comes_back_gets_what_it_had_first_and_in_order() {
    let mut simulation = reliable(Exclusive, 3, &["A"]);
    simulation.publish(plain(5));
    simulation.disconnect("A");
    simulation.add("A");
    assert_eq!(new(&mut simulation), "A0 A1 A2 A0 A1 A2");
}

#[test]
fn c24_another_consumer_takes_over_when_the_first_is_gone() {
    let mut simulation = reliable(Exclusive, 2, &["A"]);
    simulation.publish(plain(3));
    simulation.disconnect("A");
    simulation.add("B");
    assert_eq!(new(&mut simulation), "A0 A1 B0 B1");
    assert!(simulation.refused.is_empty());
}

#[test]
fn c25_the_standby_gets_what_the_active_one_had_then_what_is_new() {
    let mut simulation = reliable(Failover, 2, &["A", "B"]);
    simulation.publish(plain(3));
    simulation.disconnect("A");
    assert_eq!(new(&mut simulation), "A0 A1 B0 B1");
    assert_eq!(ack_all(&mut simulation), "");
    simulation.ack("B", at(0));
    assert_eq!(new(&mut simulation), "B2");
}

#[test]
fn c26_what_could_not_be_sent_is_the_first_that_the_next_consumer_gets() {
    let mut simulation = reliable(Exclusive, 2, &["A"]);
    simulation.publish(plain(4));
    simulation.disconnect("A");
    assert_eq!(simulation.status().held, 2);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "A0 A1");
    simulation.add("B");
    assert_eq!(ack_all(&mut simulation), "B0 B1 B2 B3 B4");
}

#[test]
fn c27_with_a_full_window_everything_else_goes_on() {
    let mut simulation = reliable(Exclusive, 10, &["A"]);
    simulation.publish(plain(1_000));
    assert_eq!(simulation.status().held, 10);
    simulation.ack("A", at(7));
    assert_eq!(simulation.status().counters.acked, 1);
    simulation.publish(plain(1_000));
    assert_eq!(simulation.status().lag(), 2_000);
    simulation.disconnect("A");
    assert_eq!(simulation.status().consumers, 0);
}

#[test]
fn c28_when_everybody_is_gone_the_next_owner_begins_with_what_was_not_acknowledged() {
    let mut simulation = reliable(Shared, 4, &["A", "B"]);
    simulation.publish(plain(5));
    simulation.ack("A", at(0));
    simulation.disconnect("A");
    simulation.disconnect("B");
    assert_eq!(simulation.saved.0, at(1), "saved by nobody but the one who went last");
    new(&mut simulation);
    simulation.restart();
    simulation.add("C");
    assert_eq!(ack_all(&mut simulation), "C1 C2 C3 C4");
}
