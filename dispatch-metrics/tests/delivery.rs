//! What the recorder of deliveries counts.

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{durations, filled_deliveries};
use dispatch_core::delivery::{DeliveryErrorKind, DeliveryEvent, DeliveryLabels, DeliveryObserver};
use dispatch_core::policy::{BreakerPhase, RefusedBy};
use dispatch_metrics::{AttemptOutcome, DeliveryMetrics, DeliveryRecorder, Latency};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn labels(destination: &str) -> DeliveryLabels {
    DeliveryLabels::new("test", destination)
}

/// An attempt, as an observer sees it.
#[derive(Debug, Clone)]
enum Attempt {
    Ends(Option<DeliveryErrorKind>, Duration),
    TimesOut(Duration),
    Abandoned,
    Runs,
}

impl Attempt {
    fn events(&self) -> Vec<DeliveryEvent> {
        let end = |failed, latency| DeliveryEvent::Attempted { failed, latency };
        let after = match *self {
            Self::Ends(failed, latency) => vec![end(failed, latency)],
            Self::TimesOut(latency) => {
                vec![DeliveryEvent::TimedOut, end(Some(DeliveryErrorKind::Retry), latency)]
            }
            Self::Abandoned => vec![DeliveryEvent::Abandoned],
            Self::Runs => Vec::new(),
        };
        [vec![DeliveryEvent::Started], after].concat()
    }
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let kinds = [
        DeliveryErrorKind::Permanent,
        DeliveryErrorKind::Retry,
        DeliveryErrorKind::RetryAfter(Duration::from_secs(1)),
        DeliveryErrorKind::Disabled,
    ];
    let attempt = prop_oneof![
        4 => (option::of(select(kinds.to_vec())), durations()).prop_map(|(kind, took)| Attempt::Ends(kind, took)),
        1 => durations().prop_map(Attempt::TimesOut),
        1 => Just(Attempt::Abandoned),
        1 => Just(Attempt::Runs),
    ];
    vec(attempt, 0..40)
}

fn tell(recorder: &DeliveryRecorder, labels: &DeliveryLabels, attempts: &[Attempt]) {
    attempts.iter().flat_map(Attempt::events).for_each(|event| recorder.on_event(labels, &event));
}

proptest! {
    #[test]
    fn outcomes_and_what_is_in_flight_add_up_to_the_attempts(attempts in attempts()) {
        let recorder = DeliveryRecorder::new();
        tell(&recorder, &labels("a"), &attempts);
        let metrics = recorder.snapshot();
        let own = metrics.destination("test", "a").cloned().unwrap_or_default();
        prop_assert_eq!(own.attempt_count(), attempts.len() as u64);
        let count = |wanted: fn(&Attempt) -> bool| attempts.iter().filter(|it| wanted(it)).count() as u64;
        prop_assert_eq!(own.in_flight, count(|it| matches!(it, Attempt::Runs)));
        prop_assert_eq!(own.abandoned, count(|it| matches!(it, Attempt::Abandoned)));
        prop_assert_eq!(own.attempts.timed_out, count(|it| matches!(it, Attempt::TimesOut(_))));
        prop_assert_eq!(own.attempts.delivered, count(|it| matches!(it, Attempt::Ends(None, _))));
        let retry = count(|it| matches!(it, Attempt::Ends(Some(DeliveryErrorKind::Retry), _)));
        prop_assert_eq!(own.attempts.retry, retry);
        let outcomes: u64 = AttemptOutcome::ALL.iter().map(|outcome| own.attempts.get(*outcome)).sum();
        prop_assert_eq!(outcomes, own.latency.count());
        let mut latency = Latency::default();
        for attempt in &attempts {
            if let Attempt::Ends(_, took) | Attempt::TimesOut(took) = attempt {
                latency.record(*took);
            }
        }
        prop_assert_eq!(own.latency, latency);
    }

    #[test]
    fn after_a_reset_the_figures_are_those_of_what_came_later(before in attempts(), after in attempts()) {
        let (used, fresh) = (DeliveryRecorder::new(), DeliveryRecorder::new());
        tell(&used, &labels("a"), &before);
        used.reset();
        let running: Vec<_> = before.into_iter().filter(|it| matches!(it, Attempt::Runs)).collect();
        let known = used.snapshot().destination("test", "a").is_some();
        prop_assert_eq!(used.snapshot().destination("test", "a").map_or(0, |it| it.in_flight), running.len() as u64);
        if known {
            let _ = fresh.meter(&labels("a"));
        }
        tell(&fresh, &labels("a"), &running);
        tell(&used, &labels("a"), &after);
        tell(&fresh, &labels("a"), &after);
        prop_assert_eq!(used.snapshot(), fresh.snapshot());
    }

    #[test]
    fn what_was_written_reads_back(attempts in attempts()) {
        let recorder = DeliveryRecorder::with_limit(1);
        tell(&recorder, &labels("a"), &attempts);
        tell(&recorder, &labels("b"), &attempts);
        let metrics = recorder.snapshot();
        let text = serde_json::to_string(&metrics).unwrap();
        prop_assert_eq!(serde_json::from_str::<DeliveryMetrics>(&text).unwrap(), metrics);
    }
}

#[test]
fn threads_lose_nothing() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 5_000;
    let recorder = DeliveryRecorder::with_limit(3);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let recorder = recorder.clone();
            scope.spawn(move || {
                let mine = recorder.meter(&labels("shared"));
                for round in 0..ROUNDS {
                    // Five names for the two places that are left, registered by all threads at once.
                    let looked_up = labels(&format!("d{}", (round + thread) % 5));
                    recorder.on_event(&looked_up, &DeliveryEvent::Delivered);
                    mine.record(&DeliveryEvent::Started);
                    let latency = Duration::from_micros(round);
                    mine.record(&DeliveryEvent::Attempted { failed: None, latency });
                }
            });
        }
    });
    let metrics = recorder.snapshot();
    assert_eq!(metrics.destinations().count(), 4, "three, and the rest");
    assert_eq!(metrics.destinations().map(|(_, _, own)| own.delivered).sum::<u64>(), THREADS * ROUNDS);
    let shared = metrics.destination("test", "shared").unwrap();
    assert_eq!((shared.attempts.delivered, shared.in_flight), (THREADS * ROUNDS, 0));
    assert_eq!(shared.latency.total(), Duration::from_micros(THREADS * (ROUNDS - 1) * ROUNDS / 2));
    assert_eq!(shared.latency.max(), Some(Duration::from_micros(ROUNDS - 1)));
}

#[test]
fn the_same_labels_have_the_same_meter() {
    let recorder = DeliveryRecorder::with_limit(1);
    let (first, again) = (recorder.meter(&labels("a")), recorder.clone().meter(&labels("a")));
    assert!(Arc::ptr_eq(&first, &again));
    let (b, c) = (recorder.meter(&labels("b")), recorder.meter(&labels("c")));
    assert!(Arc::ptr_eq(&b, &c) && !Arc::ptr_eq(&first, &b), "the limit is reached");
    assert!(recorder.snapshot().destination("other", "other").is_none(), "nothing happened to the rest");
    c.record(&DeliveryEvent::Delivered);
    assert_eq!(recorder.snapshot().destination("other", "other").unwrap().delivered, 1);
}

#[test]
fn a_reset_leaves_the_phase_of_the_breaker() {
    let recorder = DeliveryRecorder::new();
    let meter = recorder.meter(&labels("a"));
    meter.record(&DeliveryEvent::BreakerChanged { from: BreakerPhase::Closed, to: BreakerPhase::Open });
    meter.record(&DeliveryEvent::Refused { by: RefusedBy::CircuitOpen });
    recorder.reset();
    let own = meter.snapshot();
    assert_eq!((own.breaker.phase, own.breaker.opened), (BreakerPhase::Open, 0));
    assert_eq!(own.refused_by(RefusedBy::CircuitOpen), 0);
}

#[test]
fn one_who_came_late_sees_nothing_in_flight() {
    let meter = DeliveryRecorder::new().meter(&labels("a"));
    meter.record(&DeliveryEvent::Attempted { failed: None, latency: Duration::ZERO });
    assert_eq!(meter.snapshot().in_flight, 0);
}

#[test]
fn filled_figures_as_json() {
    let metrics = filled_deliveries();
    let own = metrics.destination("webhook", "https://example.com/hook").unwrap();
    assert_eq!((own.attempt_count(), own.in_flight, own.average_batch()), (8, 1, 5.0));
    insta::assert_json_snapshot!(metrics);
}
