//! What the specification says beyond the acceptance list.

use dispatch_core::log::LogBounds;
use dispatch_core::subscription::{Effect, Event, Exhausted, Fetch, Message, Resolution};
use dispatch_tests::simulation::{Published, Simulation, TOPIC};
use uuid::Uuid;

use super::support::{
    Exclusive, Failover, KeyShared, Shared, ack_all, at, config, cursor, keyed, live, ms, new, one_try,
    plain, reliable, with,
};

#[test]
fn a_refused_message_keeps_its_place_in_the_window() {
    let mut simulation = reliable(Exclusive, 2, &["A"]);
    simulation.publish(plain(4));
    simulation.nack("A", at(0), Some(ms(10_000)));
    simulation.ack("A", at(1));
    assert_eq!(new(&mut simulation), "A0 A1 A2");
    assert_eq!(simulation.status().held, 2);
}

#[test]
fn a_cumulative_ack_covers_what_the_same_consumer_has() {
    let mut simulation = reliable(Shared, 6, &["A", "B"]);
    simulation.publish(plain(6));
    simulation.ack_up_to("A", at(4));
    assert_eq!((cursor(&simulation), simulation.status().counters.acked), (1, 3));
}

#[test]
fn a_delayed_message_takes_no_place_blocks_nothing_and_comes_on_time() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(vec![Published::delayed(ms(5_000)), Published::default(), Published::default()]);
    assert_eq!(ack_all(&mut simulation), "A1 A2");
    simulation.advance(ms(4_999));
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("", 0));
    simulation.advance(ms(1));
    assert_eq!(ack_all(&mut simulation), "A0");
    assert_eq!(cursor(&simulation), 3);
}

#[test]
fn a_message_that_is_too_old_is_skipped_and_counted() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    let old = Published { ttl: Some(ms(1_000)), ..Published::default() };
    simulation.publish(vec![Published::default(), old, Published::default()]);
    simulation.advance(ms(1_000));
    assert_eq!(ack_all(&mut simulation), "A0 A2");
    assert_eq!((cursor(&simulation), simulation.status().counters.expired), (3, 1));
}

#[test]
fn a_parked_message_is_passed_and_can_be_replayed() {
    let mut simulation = with(one_try(Shared, 2, Exhausted::Park), &["A"]);
    simulation.publish(plain(2));
    simulation.nack("A", at(0), None);
    simulation.ack("A", at(1));
    assert_eq!((cursor(&simulation), simulation.parked.as_slice()), (2, &[at(0)][..]));
    new(&mut simulation);
    let parked = Uuid::from_u128(7);
    let message = Message::new(at(0), Published::default());
    simulation.step(Event::Replayed { topic: TOPIC, message: message.clone(), parked });
    simulation.step(Event::Replayed { topic: TOPIC, message, parked });
    assert_eq!(new(&mut simulation), "A0", "once, though it was asked for twice");
    simulation.ack("A", at(0));
    assert_eq!((simulation.unparked.as_slice(), cursor(&simulation)), (&[parked][..], 2));
}

#[test]
fn what_blocks_is_tried_again_skipped_or_parked_as_somebody_decides() {
    for (resolution, then) in [(Resolution::Retry, "A0"), (Resolution::Skip, "A1"), (Resolution::Park, "A1")]
    {
        let mut simulation = with(one_try(Exclusive, 1, Exhausted::Block), &["A"]);
        simulation.publish(plain(2));
        simulation.nack("A", at(0), None);
        assert_eq!(new(&mut simulation), "A0");
        simulation.resolve(at(0), resolution);
        assert_eq!(new(&mut simulation), then, "{resolution:?}");
        assert_eq!(simulation.parked.len(), usize::from(resolution == Resolution::Park));
    }
}

#[test]
fn a_seek_goes_back_and_forth_and_old_tokens_do_not_count() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(5));
    assert_eq!(ack_all(&mut simulation), "A0 A1 A2 A3 A4");
    simulation.seek(at(3));
    let old = simulation.last_token("A", at(3)).expect("it is out");
    simulation.seek(at(1));
    simulation.step(Event::Ack(old));
    assert_eq!((cursor(&simulation), simulation.status().counters.stale), (1, 1));
    simulation.seek(at(4));
    new(&mut simulation);
    simulation.ack("A", at(4));
    assert_eq!((cursor(&simulation), simulation.status().lag()), (5, 0));
}

#[test]
fn what_was_trimmed_before_it_was_read_is_counted() {
    let mut simulation = reliable(Exclusive, 1, &[]);
    simulation.publish_unheard(plain(10));
    simulation.log.trim(at(4));
    simulation.hear();
    simulation.add("A");
    assert_eq!(ack_all(&mut simulation), "A4 A5 A6 A7 A8 A9");
    assert_eq!((cursor(&simulation), simulation.status().counters.gap), (10, 4));
}

/// A subscription that has asked for the first of ten records, and the read.
fn reading() -> (Simulation, Fetch) {
    let mut simulation = reliable(Exclusive, 1, &["A"]).by_hand();
    simulation.publish_unheard(plain(10));
    simulation.hear();
    let request = asked(&mut simulation).expect("it reads");
    (simulation, request)
}

fn asked(simulation: &mut Simulation) -> Option<Fetch> {
    match simulation.open.pop()? {
        Effect::Fetch(request) => Some(request),
        other => panic!("asked for something else: {other:?}"),
    }
}

#[test]
fn an_empty_read_of_a_topic_that_has_records_is_no_gap_and_is_repeated() {
    let (mut simulation, request) = reading();
    for oldest in [0, 4, 9] {
        let bounds = LogBounds { oldest: at(oldest), head: at(10) };
        simulation.step(Event::Fetched { request, messages: Vec::new(), bounds });
        simulation.advance(ms(49));
        assert_eq!(asked(&mut simulation), None, "not at once");
        simulation.advance(ms(1));
        assert_eq!(asked(&mut simulation), Some(request));
    }
    assert_eq!((cursor(&simulation), simulation.status().counters.gap), (0, 0));
    let answer = simulation.answer(Effect::Fetch(request)).expect("a read is answered");
    simulation.step(answer);
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn an_empty_read_of_a_topic_that_has_no_records_any_more_is_a_gap_up_to_its_head() {
    let (mut simulation, request) = reading();
    let bounds = LogBounds { oldest: at(12), head: at(12) };
    simulation.step(Event::Fetched { request, messages: Vec::new(), bounds });
    assert_eq!((cursor(&simulation), simulation.status().counters.gap), (12, 12));
}

#[test]
fn an_empty_read_of_a_topic_that_ends_before_it_is_repeated_less_often() {
    let (mut simulation, request) = reading();
    let bounds = LogBounds { oldest: at(0), head: at(0) };
    simulation.step(Event::Fetched { request, messages: Vec::new(), bounds });
    let status = simulation.status();
    assert_eq!((cursor(&simulation), status.counters.gap, status.lag()), (0, 0, 10), "it had ten records");
    simulation.advance(ms(499));
    assert_eq!(asked(&mut simulation), None);
    simulation.advance(ms(1));
    assert_eq!(asked(&mut simulation), Some(request));
}

#[test]
fn nothing_more_is_read_while_too_many_wait_aside() {
    let mut config = config(Exclusive, 1);
    config.max_aside = 10;
    let mut simulation = with(config, &["A"]);
    for _ in 0..50 {
        simulation.publish(vec![Published::delayed(ms(1_000)); 64]);
    }
    assert!(simulation.status().aside < 10 + 64, "{}", simulation.status().aside);
    simulation.advance(ms(1_000));
    ack_all(&mut simulation);
    assert_eq!(cursor(&simulation), 3_200);
}

#[test]
fn a_paused_subscription_delivers_nothing_and_takes_acks() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(2));
    simulation.step(Event::Paused(true));
    simulation.ack("A", at(0));
    assert_eq!((new(&mut simulation).as_str(), cursor(&simulation)), ("A0", 1));
    simulation.step(Event::Paused(false));
    assert_eq!(new(&mut simulation), "A1");
}

#[test]
fn what_a_consumer_has_that_is_down_goes_to_others_at_once_and_costs_no_attempt() {
    let mut simulation = reliable(Shared, 4, &["A", "B"]);
    simulation.publish(plain(2));
    assert_eq!(new(&mut simulation), "A0 B1");
    simulation.set_down("A", true);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "B0 B2", "what comes again first, and nothing for A");
    assert_eq!(simulation.last_token("B", at(0)).map(|token| token.attempt), Some(1));
    let old = simulation.last_token("A", at(0)).expect("it had it");
    simulation.step(Event::Ack(old));
    assert_eq!((cursor(&simulation), simulation.status().counters.stale), (0, 1));
    simulation.set_down("A", false);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "A3");
}

#[test]
fn a_consumer_that_is_down_keeps_its_place() {
    let mut exclusive = reliable(Exclusive, 1, &["A"]);
    exclusive.set_down("A", true);
    exclusive.add("B");
    assert_eq!(exclusive.refused, ["B"]);
    exclusive.publish(plain(1));
    assert_eq!(new(&mut exclusive), "");
    exclusive.set_down("A", false);
    assert_eq!(new(&mut exclusive), "A0");

    let mut failover = reliable(Failover, 1, &["A", "B"]);
    failover.publish(plain(3));
    failover.set_down("A", true);
    assert_eq!(new(&mut failover), "A0 B0", "the standby takes over at once");
    failover.set_down("A", false);
    failover.ack("B", at(0));
    assert_eq!(new(&mut failover), "A1", "and stands by again");
}

#[test]
fn keys_go_to_others_while_their_consumer_is_down_and_those_that_only_it_takes_wait() {
    let mut simulation = reliable(KeyShared, 8, &[]);
    simulation.add_with_keys("A", None);
    simulation.add_with_keys("B", Some("b*"));
    simulation.set_down("A", true);
    simulation.publish(keyed(&["a1", "b1"]));
    assert_eq!(new(&mut simulation), "B1");
    assert_eq!(simulation.status().counters.unroutable, 0);
    simulation.set_down("B", true);
    simulation.publish(keyed(&["b2"]));
    assert_eq!(new(&mut simulation), "");
    simulation.set_down("A", false);
    let mut got: Vec<_> = new(&mut simulation).split(' ').map(str::to_owned).collect();
    got.sort();
    assert_eq!(got, ["A0", "A1", "A2"]);
}

#[test]
fn at_most_once_a_consumer_that_is_down_gets_nothing() {
    let mut simulation = live(Shared, &["A", "B"]);
    simulation.set_down("A", true);
    simulation.publish(plain(2));
    simulation.set_down("B", true);
    simulation.publish(plain(1));
    simulation.set_down("A", false);
    simulation.publish(plain(1));
    assert_eq!(new(&mut simulation), "B0 B1 A3");
    assert_eq!(simulation.status().counters.no_consumer, 1);
}
