//! Cursors and restarts.

use dispatch_core::subscription::{Effect, Event};

use super::support::{Exclusive, ack_all, at, cursor, ms, new, plain, reliable};

#[test]
fn f1_a_cursor_is_not_written_before_the_interval_is_over_and_then_the_newest_is() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(4));
    simulation.ack("A", at(0));
    simulation.advance(ms(4_999));
    simulation.ack("A", at(1));
    assert_eq!(simulation.saved.0, at(0));
    simulation.advance(ms(1));
    assert_eq!(simulation.saved.0, at(2));
    simulation.advance(ms(6_000));
    simulation.ack("A", at(2));
    assert_eq!(simulation.saved.0, at(3), "after a quiet interval at once");
}

#[test]
fn f2_the_last_acks_are_written_though_nothing_follows() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.advance(ms(5_000));
    simulation.publish(plain(3));
    simulation.ack("A", at(0));
    assert_eq!(simulation.saved.0, at(1));
    simulation.ack("A", at(1));
    simulation.ack("A", at(2));
    assert_eq!(simulation.saved.0, at(1));
    assert_eq!(simulation.next_deadline(), Some(ms(10_000)));
    simulation.advance(ms(5_000));
    assert_eq!((simulation.saved.0, simulation.next_deadline()), (at(3), None));
}

#[test]
fn f2_a_save_that_failed_is_made_again_and_brings_what_came_meanwhile() {
    let mut simulation = reliable(Exclusive, 1, &["A"]).by_hand();
    simulation.publish(plain(3));
    simulation.ack("A", at(0));
    simulation.step(Event::Flush);
    let asked = simulation.open.remove(0);
    simulation.ack("A", at(1));
    simulation.step(Event::Flush);
    assert!(simulation.open.is_empty(), "one save at a time");
    let failed = simulation.fail(asked).expect("an answer");
    simulation.step(failed);
    assert_eq!(simulation.next_deadline(), Some(ms(700)));
    simulation.advance(ms(700));
    let Some(Effect::Save(cursors)) = simulation.open.pop() else { panic!("no save") };
    assert_eq!(cursors[0].next, at(2));
}

#[test]
fn f4_what_was_acknowledged_after_the_last_save_comes_again_after_a_crash() {
    let mut simulation = reliable(Exclusive, 10, &["A"]);
    simulation.publish(plain(10));
    for offset in 0..5 {
        simulation.ack("A", at(offset));
    }
    simulation.step(Event::Flush);
    for offset in 5..10 {
        simulation.ack("A", at(offset));
    }
    assert_eq!(cursor(&simulation), 10);
    simulation.restart();
    new(&mut simulation);
    simulation.add("A");
    assert_eq!(ack_all(&mut simulation), "A5 A6 A7 A8 A9");
}

#[test]
fn f4_acks_out_of_order_survive_a_restart() {
    let mut simulation = reliable(Exclusive, 10, &["A"]);
    simulation.publish(plain(10));
    for offset in [1, 2, 3, 7, 9] {
        simulation.ack("A", at(offset));
    }
    simulation.step(Event::Flush);
    simulation.restart();
    new(&mut simulation);
    simulation.add("A");
    assert_eq!(simulation.status().lag(), 10);
    assert_eq!(ack_all(&mut simulation), "A0 A4 A5 A6 A8");
    assert_eq!(cursor(&simulation), 10);
}

#[test]
fn f5_the_cursor_never_goes_back_and_never_passes_what_is_not_acknowledged() {
    let mut simulation = reliable(Exclusive, 10, &["A"]);
    simulation.publish(plain(10));
    let mut before = 0;
    for offset in [9, 3, 0, 2, 9, 1, 8, 4, 6, 5, 7] {
        simulation.ack("A", at(offset));
        assert!(cursor(&simulation) >= before);
        before = cursor(&simulation);
        simulation.step(Event::Flush);
        assert_eq!(simulation.saved.0.get(), before);
    }
    assert_eq!(before, 10);
}

#[test]
fn f6_offsets_and_deliveries_go_on_after_a_restart() {
    let mut simulation = reliable(Exclusive, 1, &["A"]);
    simulation.publish(plain(55));
    ack_all(&mut simulation);
    simulation.step(Event::Flush);
    simulation.restart();
    simulation.add("A");
    simulation.publish(plain(20));
    let expected: Vec<_> = (55..75).map(|offset| format!("A{offset}")).collect();
    assert_eq!(ack_all(&mut simulation), expected.join(" "));
}
