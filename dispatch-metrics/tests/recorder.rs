//! The recorder counts what the model counts.

mod common;

use std::time::Duration;

use common::{DISPATCHERS, Fact, by_name, by_slot, facts};
use dispatch_core::{Category, DispatchStatus};
use dispatch_metrics::{
    DispatchMetrics, DispatchSample, DispatcherEvent, DispatcherSlot, ExecutionOutcome, ExecutionSample,
    RETIRED_DISPATCHERS, RETIRED_LIMIT, Recorder, TopicSlot,
};
use proptest::prelude::*;

fn sample(status: DispatchStatus, topic: TopicSlot) -> DispatchSample {
    DispatchSample {
        status,
        category: Some(Category::Event),
        category_mismatch: false,
        topic: Some(topic),
        routes_matched: 1,
        duration: Duration::from_micros(1),
    }
}

#[test]
fn slots_are_stable_and_ids_known_before_use() {
    let mut recorder = Recorder::new("e");
    let slot = recorder.register_dispatcher("a");
    assert_ne!(slot, recorder.register_dispatcher("b"));
    assert_eq!(slot, recorder.register_dispatcher("a"));
    let a = recorder.dispatcher("a").unwrap();
    assert_eq!((a.success_rate(), a.error_rate(), a.last_execution_topic), (1.0, 0.0, None));
    assert_eq!(recorder.dispatcher("c"), None);
}

#[test]
fn topics_beyond_the_bound_are_counted_together() {
    let mut recorder = Recorder::with_topic_limit("e", 2);
    let a = recorder.register_dispatcher("a");
    for topic in ["x.events", "y.events", "z.events", "w.events", "x.events"] {
        let topic = recorder.register_topic(topic);
        let outcome = ExecutionOutcome::Success;
        recorder
            .record_execution(a, ExecutionSample { outcome, duration: Duration::ZERO, topic: Some(topic) });
        recorder.record_dispatch(sample(DispatchStatus::Success, topic));
        let last = recorder.dispatcher("a").unwrap().last_execution_topic;
        assert_eq!(last.as_deref() == Some("other"), topic == TopicSlot::OTHER);
    }
    let snapshot = recorder.snapshot();
    let figures: Vec<_> =
        snapshot.topic_metrics.iter().map(|(name, topic)| (&**name, topic.dispatches)).collect();
    assert_eq!(figures, [("other", 2), ("x.events", 2), ("y.events", 1)]);
}

#[test]
fn the_default_bound_is_a_thousand_topics() {
    let mut recorder = Recorder::new("e");
    for number in 0..1_200 {
        let topic = recorder.register_topic(format!("t{number}.events"));
        recorder.record_dispatch(sample(DispatchStatus::Success, topic));
    }
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.topic_metrics.len(), 1_001);
    assert_eq!(snapshot.topic("other").unwrap().dispatches, 200);
}

#[test]
fn an_invalid_message_moves_total_and_failed_only() {
    let mut recorder = Recorder::new("e");
    let topic = recorder.register_topic("t.events");
    recorder.record_dispatch(DispatchSample {
        routes_matched: 0,
        ..sample(DispatchStatus::InvalidMessage, topic)
    });
    let mut expected = DispatchMetrics::new("e");
    (expected.total_dispatches, expected.failed_dispatches) = (1, 1);
    expected.status_metrics.invalid_message = 1;
    expected.latency.record(Duration::from_micros(1));
    assert_eq!(recorder.snapshot(), expected);
}

#[test]
fn no_dispatcher_moves_the_category_too() {
    let mut recorder = Recorder::new("e");
    let topic = recorder.register_topic("t.events");
    recorder
        .record_dispatch(DispatchSample { routes_matched: 0, ..sample(DispatchStatus::NoDispatcher, topic) });
    let mut expected = DispatchMetrics::new("e");
    (expected.total_dispatches, expected.failed_dispatches, expected.no_dispatcher_count) = (1, 1, 1);
    expected.status_metrics.no_dispatcher = 1;
    expected.category_metrics.event = 1;
    expected.latency.record(Duration::from_micros(1));
    assert_eq!(recorder.snapshot(), expected);
}

#[test]
fn skipped_and_routed_are_neither_success_nor_failure() {
    let mut recorder = Recorder::new("e");
    let topic = recorder.register_topic("t.events");
    for status in [DispatchStatus::Skipped, DispatchStatus::Routed] {
        recorder.record_dispatch(sample(status, topic));
    }
    let snapshot = recorder.snapshot();
    assert_eq!((snapshot.skipped_count, snapshot.routed_count), (1, 1));
    assert_eq!((snapshot.success_rate(), snapshot.error_rate()), (0.0, 0.0));
    let topic = snapshot.topic("t.events").unwrap();
    assert_eq!((topic.dispatches, topic.successes, topic.failures), (2, 0, 0));
}

#[test]
fn a_slot_of_another_recorder_counts_in_the_totals_only() {
    let mut recorder = Recorder::new("e");
    let outcome = ExecutionOutcome::Error;
    let stranger = ExecutionSample { outcome, duration: Duration::ZERO, topic: Some(TopicSlot(7)) };
    recorder.record_execution(DispatcherSlot(7), stranger);
    recorder.record_dispatch(sample(DispatchStatus::DispatcherError, TopicSlot(7)));
    let snapshot = recorder.snapshot();
    assert_eq!((snapshot.total_dispatches, snapshot.dispatcher_error_count), (1, 1));
    assert!(snapshot.dispatcher_metrics.is_empty() && snapshot.topic_metrics.is_empty());
}

proptest! {
    #[test]
    fn recorder_and_model_show_the_same(facts in facts(), limit in 0..7_usize) {
        let mut recorder = Recorder::with_topic_limit("e", limit);
        let mut model = DispatchMetrics::new("e").with_topic_limit(limit);
        by_slot(&mut recorder, &facts);
        by_name(&mut model, &facts);
        let snapshot = recorder.snapshot();
        prop_assert_eq!(&snapshot, &model);
        for id in DISPATCHERS {
            let one = recorder.dispatcher(id);
            prop_assert_eq!(one.as_ref(), snapshot.dispatcher(id));
        }
    }

    #[test]
    fn everything_is_counted_exactly_once(facts in facts()) {
        let mut metrics = DispatchMetrics::new("e").with_topic_limit(3);
        by_name(&mut metrics, &facts);

        let total = facts.iter().filter(|fact| matches!(fact, Fact::Dispatch(_))).count() as u64;
        prop_assert_eq!(metrics.total_dispatches, total);
        prop_assert_eq!(metrics.latency.count(), total);
        let by_status: u64 = DispatchStatus::ALL.iter().map(|it| metrics.status_metrics.get(*it)).sum();
        prop_assert_eq!(by_status, total);
        let neither = metrics.skipped_count + metrics.routed_count;
        prop_assert_eq!(metrics.successful_dispatches + metrics.failed_dispatches + neither, total);
        prop_assert!(metrics.topic_metrics.len() <= 4);

        let (mut executions, mut errors, mut timeouts, mut late) = (0, 0, 0, 0);
        for it in metrics.dispatcher_metrics.values() {
            prop_assert_eq!(it.success_count + it.error_count + it.timeout_count, it.execution_count);
            prop_assert_eq!(it.latency.count(), it.execution_count);
            prop_assert!(it.panic_count <= it.error_count);
            let outcomes: u64 = ExecutionOutcome::ALL.iter().map(|outcome| it.outcome_count(*outcome)).sum();
            prop_assert_eq!(outcomes, it.execution_count);
            executions += it.execution_count;
            errors += it.error_count;
            timeouts += it.timeout_count;
            late += it.late_reply_count;
        }
        prop_assert_eq!(metrics.dispatcher_execution_count, executions);
        prop_assert_eq!(metrics.dispatcher_error_count, errors);
        prop_assert_eq!(metrics.timeout_count, timeouts);
        prop_assert_eq!(metrics.late_reply_count, late);
    }

    #[test]
    fn cleared_is_as_new_but_for_what_is_in_flight(before in facts(), after in facts()) {
        let mut used = Recorder::new("e");
        by_slot(&mut used, &before);
        let in_flight: Vec<_> =
            DISPATCHERS.iter().map(|id| used.dispatcher(id).map_or(0, |it| it.in_flight)).collect();
        used.clear();

        let mut model = DispatchMetrics::new("e");
        by_name(&mut model, &before);
        model.clear();
        prop_assert_eq!(used.snapshot(), model);

        let mut fresh = Recorder::new("e");
        for (id, count) in DISPATCHERS.iter().zip(in_flight) {
            let slot = fresh.register_dispatcher(id);
            fresh.set_in_flight(slot, count);
        }
        by_slot(&mut used, &after);
        by_slot(&mut fresh, &after);
        prop_assert_eq!(used.snapshot(), fresh.snapshot());
    }
}

#[test]
fn the_slot_of_a_dispatcher_that_is_gone_is_used_again_and_its_figures_stay() {
    let mut recorder = Recorder::new("e");
    let sample = ExecutionSample {
        outcome: ExecutionOutcome::Success,
        duration: Duration::from_millis(1),
        topic: Some(recorder.register_topic("a.events")),
    };
    let first = recorder.register_dispatcher("a");
    recorder.record_execution(first, sample);
    recorder.retire_dispatcher(first);
    recorder.retire_dispatcher(first);
    assert_eq!(recorder.register_dispatcher("b"), first);
    recorder.record_execution(first, sample);
    recorder.record_execution(first, sample);
    let counts =
        |recorder: &Recorder| ["a", "b"].map(|id| recorder.dispatcher(id).map(|own| own.execution_count));
    assert_eq!(counts(&recorder), [Some(1), Some(2)]);
    let back = recorder.register_dispatcher("a");
    assert_ne!(back, first);
    let own = recorder.dispatcher("a").unwrap();
    assert_eq!(
        (own.execution_count, own.last_execution_topic.as_deref()),
        (1, Some("a.events")),
        "it goes on where it was"
    );
    recorder.retire_dispatcher(back);
    recorder.clear();
    assert_eq!(counts(&recorder), [None, Some(0)]);
}

#[test]
fn retired_dispatchers_beyond_the_bound_are_added_up() {
    let mut recorder = Recorder::new("e");
    let total = RETIRED_LIMIT as u64 + 10;
    for n in 0..total {
        let slot = recorder.register_dispatcher(&format!("d{n}"));
        assert_eq!(slot, DispatcherSlot(0));
        recorder.record_event(slot, DispatcherEvent::Restart);
        recorder.retire_dispatcher(slot);
    }
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.dispatcher_metrics.len(), RETIRED_LIMIT + 1);
    assert_eq!(snapshot.dispatcher(RETIRED_DISPATCHERS).unwrap().restart_count, 10);
    assert_eq!(snapshot.dispatcher_metrics.values().map(|own| own.restart_count).sum::<u64>(), total);
}
