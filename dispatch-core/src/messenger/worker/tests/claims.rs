//! Several claims under way, of transports that answer late or never.

use super::*;

const ZERO: Duration = Duration::ZERO;

#[test]
fn the_next_transport_is_asked_for_the_room_that_is_left() {
    let mut state = WorkerState::new(&config(&["a", "b", "c"]));
    state.set_rates(0, at_most(RateLimit::per_second(1).with_burst(2)));
    assert_eq!(state.step(ZERO), Step::Claim { source: 0, max: 2 });
    assert_eq!(state.step(ZERO), Step::Claim { source: 1, max: 3 });
    assert_eq!(state.step(ZERO), Step::Wait { until: Some(PATIENCE) });
    gives(&mut state, 1, 3, 1, None, SECOND / 10);
    assert_eq!(state.step(SECOND / 10), Step::Claim { source: 2, max: 2 });
    gives(&mut state, 0, 2, 2, None, SECOND / 10);
    gives(&mut state, 2, 2, 2, None, SECOND / 10);
    assert_eq!(state.step(SECOND / 10), Step::Wait { until: None }, "its hands are full");
}

#[test]
fn a_transport_that_does_not_answer_keeps_room_free_for_a_while_only() {
    let mut state = WorkerState::new(&config(&["away", "b"]));
    assert_eq!(state.step(ZERO), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(ZERO), Step::Wait { until: Some(PATIENCE) });
    assert_eq!(state.step(PATIENCE), Step::Claim { source: 1, max: 5 });
    gives(&mut state, 1, 5, 1, None, PATIENCE);
    let next = PATIENCE + SECOND;
    assert_eq!(state.step(PATIENCE), Step::Wait { until: Some(next) }, "it is not asked twice");
    assert_eq!(state.step(next), Step::Claim { source: 1, max: 4 });
    gives(&mut state, 1, 4, 4, None, next);
    state.claim_failed(0, SECOND * 30);
    state.finished(false);
    assert_eq!(state.step(SECOND * 30), Step::Claim { source: 1, max: 1 });
    gives(&mut state, 1, 1, 0, None, SECOND * 30);
    let again = SECOND * 30 + SECOND / 10;
    assert_eq!(state.step(again), Step::Claim { source: 0, max: 1 }, "it has precedence again");
    assert_eq!(state.step(again), Step::Wait { until: Some(again + PATIENCE) });
}

#[test]
fn of_an_answer_that_comes_late_is_taken_in_what_there_is_room_for() {
    let mut state = WorkerState::new(&config(&["late", "b"]));
    assert_eq!(state.step(ZERO), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(PATIENCE), Step::Claim { source: 1, max: 5 });
    gives(&mut state, 1, 5, 3, None, PATIENCE);
    assert_eq!(state.claimed(0, 5, 5, None, SECOND), 2);
    assert_eq!((state.in_hand(), state.taken()), (5, 5));
    state.finished(false);
    assert_eq!(state.step(SECOND), Step::Claim { source: 0, max: 1 }, "it has those that were handed back");
}

#[test]
fn what_is_here_has_precedence_over_what_others_were_asked_for() {
    let mut state = WorkerState::new(&config(&["late", "b"]));
    assert_eq!(state.step(ZERO), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(PATIENCE), Step::Claim { source: 1, max: 5 });
    gives(&mut state, 0, 5, 4, None, SECOND / 2);
    assert_eq!(state.claimed(1, 5, 5, None, SECOND / 2), 1);
}

/// Otherwise one that is slow would be too late each time, and another one would always be served before it.
#[test]
fn with_a_transport_that_was_slow_it_is_more_patient() {
    let mut state = WorkerState::new(&config(&["slow", "b"]));
    let mut now = ZERO;
    for (takes, patience) in [(1_000, 300), (4_000, 2_000), (50, 5_000), (0, 300)]
        .map(|(takes, patience)| (Duration::from_millis(takes), Duration::from_millis(patience)))
    {
        assert_eq!(state.step(now), Step::Claim { source: 0, max: 5 });
        assert_eq!(state.step(now), Step::Wait { until: Some(now + patience) });
        now += takes;
        gives(&mut state, 0, 5, 0, None, now);
        state.woken(0, now);
    }
    assert!(matches!(state.step(now), Step::Claim { .. }));
    gives(&mut state, 0, 5, 0, None, now + SECOND * 2);
    state.woken(0, now + SECOND * 2);
    assert!(matches!(state.step(now + SECOND * 2), Step::Claim { .. }));
    state.claim_failed(0, now + SECOND * 30);
    let now = now + SECOND * 40;
    assert_eq!(state.step(now), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(now), Step::Wait { until: Some(now + PATIENCE) }, "it is away, not slow");
}

#[test]
fn it_stops_when_no_claim_is_under_way_any_more() {
    let mut state = WorkerState::new(&config(&["away", "b"]));
    assert_eq!(state.step(ZERO), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(PATIENCE), Step::Claim { source: 1, max: 5 });
    state.stop();
    gives(&mut state, 1, 5, 0, None, PATIENCE);
    assert_eq!(state.step(SECOND), Step::Wait { until: None });
    state.claim_failed(0, SECOND * 30);
    assert_eq!(state.step(SECOND * 30), Step::Stop(StopReason::Asked));
}

proptest! {
    /// Whatever happens, and however late: never more in hand than it may have, never more begun or failed than it may.
    #[test]
    fn limits_are_never_overshot(
        concurrency in 1usize..5,
        prefetch in 0usize..3,
        fair in any::<bool>(),
        max_messages in prop::option::of(1u64..20),
        max_failures in prop::option::of(1u64..6),
        events in prop::collection::vec((0u8..6, 0usize..6), 1..150),
    ) {
        let config =
            WorkerConfig { concurrency, prefetch, fair, max_messages, max_failures, ..config(&["a", "b", "c"]) };
        let mut state = WorkerState::new(&config);
        let (mut now, mut claims) = (ZERO, [None; 3]);
        for (event, number) in events {
            let (source, count) = (number % 3, number + 1);
            match event {
                0 | 1 => {
                    if let Some((max, _)) = claims[source].take() {
                        let count = count.min(max);
                        prop_assert!(state.claimed(source, max, count, None, now) <= count);
                    }
                }
                2 if state.in_hand() > 0 => state.finished(number % 2 == 0),
                3 if state.in_hand() > 0 => state.handed_back(),
                4 => state.woken(source, now),
                _ => now += Duration::from_millis(number as u64 * 100),
            }
            let check = |state: &WorkerState, more: usize| {
                let (held, taken) = (state.in_hand() + more, state.taken() + more as u64);
                held <= concurrency + prefetch
                    && max_messages.is_none_or(|most| taken <= most)
                    && max_failures.is_none_or(|most| state.failures() + held as u64 <= most)
            };
            prop_assert!(check(&state, 0));
            while let Step::Claim { source, max } = state.step(now) {
                prop_assert!(max > 0 && claims[source].is_none(), "one claim at a time of each");
                claims[source] = Some((max, now));
                let fresh = claims.iter().flatten().filter(|(_, at)| now < *at + PATIENCE);
                prop_assert!(check(&state, fresh.map(|(max, _)| max).sum()));
            }
        }
    }
}
