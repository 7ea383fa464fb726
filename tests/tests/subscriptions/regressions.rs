//! Faults that were found, each with the test that fails without its fix.

use std::time::Duration;

use dispatch_core::log::{LogBounds, OffsetRanges};
use dispatch_core::subscription::{Effect, Event, Exhausted, Resolution};
use dispatch_tests::simulation::{Published, Simulation};

use super::support::{
    Exclusive, Failover, KeyShared, Shared, ack_all, at, config, keyed, ms, new, one_try, plain, reliable,
    with,
};

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

/// What the state has asked for and has no answer to yet, of one kind.
fn asked<T>(simulation: &mut Simulation, pick: impl Fn(&Effect<Published>) -> Option<T>) -> Option<T> {
    let found = simulation.open.iter().position(|asked| pick(asked).is_some())?;
    pick(&simulation.open.remove(found))
}

#[test]
fn a_record_that_cannot_be_read_again_is_waited_for_and_not_passed() {
    let mut simulation = Simulation::new(config(KeyShared, 8), 0).keeping_records(0).by_hand();
    simulation.add("A");
    simulation.publish(keyed(&["k", "k", "k"]));
    simulation.ack("A", at(0));
    for _ in 0..3 {
        let load = asked(&mut simulation, |asked| match asked {
            Effect::Load(load) => Some(*load),
            _ => None,
        });
        let load = load.expect("the record of message 1 is to be read again");
        assert_eq!(load.offset, at(1));
        simulation.step(Event::LoadFailed { load, retry_in: ms(700) });
        assert_eq!(simulation.cursor(), Some(at(1)), "it is not settled");
        simulation.advance(ms(700));
    }
    let found = simulation.open.iter().position(|asked| matches!(asked, Effect::Load(_)));
    let load = simulation.open.remove(found.unwrap());
    let loaded = simulation.answer(load).unwrap();
    simulation.step(loaded);
    assert_eq!(new(&mut simulation), "A0 A1");
    assert_eq!(simulation.status().counters.gap, 0);
}

#[test]
fn few_records_are_read_again_at_a_time_and_one_while_the_log_fails() {
    let mut config = config(Shared, 256);
    config.retry = config.retry.with_max_retries(0);
    let mut simulation = Simulation::new(config, 0).keeping_records(0);
    simulation.add("A");
    simulation.publish(vec![Published::delayed(ms(1_000)); 200]);
    let mut simulation = simulation.by_hand();
    let loads = |simulation: &mut Simulation| {
        let is_load = |asked: &Effect<Published>| matches!(asked, Effect::Load(_));
        let (loads, others) = simulation.open.drain(..).partition(is_load);
        simulation.open = others;
        let loads: Vec<Effect<Published>> = loads;
        loads.into_iter().filter_map(|asked| if let Effect::Load(load) = asked { Some(load) } else { None })
    };
    simulation.advance(ms(1_000));
    let first: Vec<_> = loads(&mut simulation).collect();
    assert_eq!(first.len(), 64);
    for load in first {
        simulation.step(Event::LoadFailed { load, retry_in: ms(700) });
    }
    assert_eq!(loads(&mut simulation).count(), 0, "its time has not come");
    simulation.advance(ms(700));
    let second: Vec<_> = loads(&mut simulation).collect();
    assert_eq!(second.len(), 1, "one asks whether the log is there again");
    let loaded = simulation.answer(Effect::Load(second[0])).unwrap();
    simulation.step(loaded);
    let third: Vec<_> = loads(&mut simulation).collect();
    assert_eq!(third.len(), 64, "it is");
    simulation.open.extend(third.into_iter().map(Effect::Load));
    while !simulation.open.is_empty() {
        let asked = simulation.open.remove(0);
        if let Some(event) = simulation.answer(asked) {
            simulation.step(event);
        }
    }
    assert_eq!(simulation.status().in_flight, 200);
}

#[test]
fn a_topic_without_a_stored_cursor_is_saved_at_once() {
    let mut simulation = reliable(Exclusive, 1, &["A"]).by_hand();
    let (next, settled) = (at(0), OffsetRanges::default());
    simulation.step(Event::TopicAdded { next, settled, head: at(0), stored: false });
    let saved = asked(&mut simulation, |asked| match asked {
        Effect::Save(cursors) => Some(cursors.clone()),
        _ => None,
    });
    let saved = saved.expect("a cursor is to be saved");
    assert_eq!(saved.iter().map(|cursor| (cursor.topic.0, cursor.next)).collect::<Vec<_>>(), [(1, at(0))]);
}

#[test]
fn a_seek_while_records_are_read_again_does_not_stop_the_queue_of_a_consumer() {
    let mut simulation = Simulation::new(config(KeyShared, 8), 0).keeping_records(0).by_hand();
    simulation.add("A");
    let keys: Vec<_> = (0..64).map(|key| format!("key{key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let everything = |simulation: &mut Simulation| {
        while !simulation.open.is_empty() {
            let asked = simulation.open.remove(0);
            if let Some(event) = simulation.answer(asked) {
                simulation.step(event);
            }
        }
    };
    simulation.publish(keyed(&keys));
    everything(&mut simulation);
    // Records are being read again, as many as the lane has room for, and none of them comes.
    for round in 0..40 {
        ack_all(&mut simulation);
        simulation.open.retain(|asked| !matches!(asked, Effect::Load(_)));
        simulation.seek(at(round % 2));
        let fetches: Vec<_> = simulation.open.drain(..).collect();
        for asked in fetches {
            if let Some(event) = simulation.answer(asked) {
                simulation.step(event);
            }
        }
    }
    simulation.seek(at(0));
    everything(&mut simulation);
    for _ in 0..64 {
        ack_all(&mut simulation);
        everything(&mut simulation);
    }
    let status = simulation.status();
    assert_eq!((status.lag(), status.aside, status.held), (0, 0, 0), "{status:?}");
}

#[test]
fn a_head_that_the_log_does_not_know_yet_is_asked_for_again() {
    let mut simulation = reliable(Exclusive, 1, &["A"]).by_hand();
    simulation.publish_unheard(plain(1));
    simulation.hear();
    for _ in 0..3 {
        let request = asked(&mut simulation, |asked| match asked {
            Effect::Fetch(request) => Some(*request),
            _ => None,
        });
        let request = request.expect("the record is to be read");
        // Whoever answers is behind whoever has told the head.
        let bounds = LogBounds::default();
        simulation.step(Event::Fetched { request, messages: Vec::new(), bounds });
        assert_eq!(simulation.status().lag(), 1);
        simulation.advance(ms(500));
    }
    let fetch = simulation.open.remove(0);
    let fetched = simulation.answer(fetch).unwrap();
    simulation.step(fetched);
    assert_eq!(new(&mut simulation), "A0");
}

#[test]
fn the_cursor_is_saved_when_the_consumer_that_is_served_goes_or_dies() {
    for (kind, down) in [(Exclusive, false), (Failover, false), (Failover, true), (Shared, false)] {
        let consumers: &[&str] = if kind == Failover { &["A", "B"] } else { &["A"] };
        let mut simulation = reliable(kind, 1, consumers);
        simulation.advance(ms(4_900));
        simulation.publish(plain(3));
        simulation.ack("A", at(0));
        simulation.ack("A", at(1));
        assert_eq!(simulation.saved.0, at(0), "the interval is not over");
        if down {
            simulation.set_down("A", true);
        } else {
            simulation.disconnect("A");
        }
        assert_eq!(simulation.saved.0, at(2), "{kind}");
    }
    let mut simulation = reliable(Shared, 1, &["A", "B"]);
    simulation.publish(plain(1));
    simulation.ack("A", at(0));
    simulation.disconnect("A");
    assert_eq!(simulation.saved.0, at(0), "another one is there, and goes on");
}

#[test]
fn a_consumer_that_answers_nothing_in_time_gets_no_more_than_its_limit() {
    let mut config = config(Shared, 1);
    config.capacity = 6;
    config.retry = config.retry.with_max_retries(1_000).with_cap(ms(1_000));
    let mut simulation = with(config, &["A"]);
    simulation.publish(plain(10));
    simulation.advance(ms(3_600_000));
    let had = simulation.deliveries.len();
    assert_eq!(had, 6);
    let token = simulation.last_token("A", at(0)).unwrap();
    simulation.step(Event::GaveUp(token));
    assert_eq!(simulation.deliveries.len(), had + 1, "it has room again");
    new(&mut simulation);
    simulation.add("B");
    simulation.advance(ms(40_000));
    assert_eq!(new(&mut simulation), "B0", "the others get what it does not");
}

#[test]
fn answers_that_are_told_late_are_in_time_if_no_tick_came_before_them() {
    let mut simulation = reliable(Shared, 8, &["A", "B"]);
    simulation.publish(plain(8));
    simulation.now += ms(60_000);
    // Whatever else is told before.
    simulation.step(Event::Window(4));
    simulation.nack("A", at(0), None);
    simulation.ack("B", at(1));
    simulation.ack_up_to("A", at(4));
    let token = simulation.last_token("B", at(3)).unwrap();
    simulation.step(Event::GaveUp(token));
    simulation.ack("B", at(3));
    let counters = simulation.status().counters;
    assert_eq!((counters.timed_out, counters.acked, counters.stale), (0, 4, 0));
    simulation.step(Event::Tick);
    assert_eq!(simulation.status().counters.timed_out, 3, "5, 6 and 7");
}

#[test]
fn a_message_that_consumers_may_have_died_of_is_charged_when_that_happens_again() {
    let suspect = |simulation: &mut Simulation, name: &str| {
        let token = simulation.last_token(name, at(0)).unwrap();
        simulation.step(Event::Suspected { token, reason: "it panicked".to_owned() });
        simulation.disconnect(name);
    };
    let mut simulation = reliable(Failover, 1, &["A", "B", "C"]);
    simulation.publish(plain(2));
    suspect(&mut simulation, "A");
    assert_eq!(new(&mut simulation), "A0 B0", "at once, and it costs nothing");
    suspect(&mut simulation, "B");
    assert_eq!((new(&mut simulation).as_str(), simulation.status().counters.nacked), ("", 1));
    simulation.advance(ms(1_000));
    assert_eq!(simulation.last_token("C", at(0)).unwrap().attempt, 2);
    let late = simulation.last_token("A", at(0)).unwrap();
    simulation.step(Event::Suspected { token: late, reason: "it panicked".to_owned() });
    let counters = simulation.status().counters;
    assert_eq!(
        (counters.nacked, counters.stale),
        (1, 0),
        "that delivery is over, and nobody has answered it"
    );
}

#[test]
fn a_message_that_can_never_be_kept_waits_for_a_decision_and_holds_up_no_others() {
    for (kind, others) in [(Shared, "A0 A1 A2"), (KeyShared, "A0 A2")] {
        let mut simulation = Simulation::new(one_try(kind, 2, Exhausted::Park), 0).by_hand();
        simulation.add("A");
        simulation.publish(keyed(&["k0", "k0", "k1"]));
        simulation.nack("A", at(0), None);
        let keep = asked(&mut simulation, |asked| match asked {
            Effect::Park(exhaustion) => Some(exhaustion.keep),
            _ => None,
        });
        let keep = keep.expect("it is to be parked");
        simulation.step(Event::CannotKeep { keep, reason: "it is too large".to_owned() });
        simulation.ack("A", at(1));
        simulation.ack("A", at(2));
        simulation.advance(ms(3_600_000));
        assert_eq!(new(&mut simulation), others);
        assert_eq!((simulation.blocked(), simulation.status().blocked), (vec![at(0)], 1));
        assert_eq!(simulation.cursor(), Some(at(0)), "nothing passes it");
        let tries = |simulation: &Simulation| {
            simulation.open.iter().filter(|asked| matches!(asked, Effect::Park(_))).count()
        };
        assert_eq!(tries(&simulation), 0, "nobody tries in vain");
        simulation.resolve(at(0), Resolution::Park);
        assert_eq!(tries(&simulation), 1, "but once more if somebody says so");
        simulation.step(Event::CannotKeep { keep, reason: "an answer to the first try".to_owned() });
        assert_eq!(simulation.blocked(), []);
    }
}
