use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config(transports: &[&str]) -> WorkerConfig {
    WorkerConfig {
        transports: transports.iter().map(|name| (*name).to_owned()).collect(),
        ..WorkerConfig::default()
    }
}

#[test]
fn the_first_transport_has_precedence_and_the_next_is_asked_when_it_has_no_more() {
    let mut state = WorkerState::new(&config(&["high", "low"]));
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 5 });
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: None }, "one claim at a time");
    state.claimed(0, 5, 2, Some(SECOND / 4), Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 1, max: 3 });
    state.claimed(1, 3, 1, None, Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: Some(SECOND / 4) });
    assert_eq!(state.step(SECOND / 4), Step::Claim { source: 0, max: 2 });
    state.claimed(0, 2, 0, None, SECOND / 4);
    state.woken(1, SECOND / 4);
    assert_eq!(state.step(SECOND / 4), Step::Claim { source: 1, max: 2 });
}

#[test]
fn a_full_answer_is_asked_again_and_fair_ones_take_turns() {
    for (fair, wanted) in [(false, [0, 0, 0]), (true, [0, 1, 0])] {
        let mut state = WorkerState::new(&WorkerConfig { fair, concurrency: 1, ..config(&["a", "b"]) });
        for source in wanted {
            assert_eq!(state.step(Duration::ZERO), Step::Claim { source, max: 1 });
            state.claimed(source, 1, 1, None, Duration::ZERO);
            assert_eq!(state.step(Duration::ZERO), Step::Wait { until: None }, "its hands are full");
            state.finished(false);
        }
    }
}

#[test]
fn a_wake_up_while_asking_is_not_lost() {
    let mut state = WorkerState::new(&config(&["a"]));
    assert!(matches!(state.step(Duration::ZERO), Step::Claim { .. }));
    state.woken(0, Duration::ZERO);
    state.claimed(0, 5, 0, None, Duration::ZERO);
    assert!(matches!(state.step(Duration::ZERO), Step::Claim { .. }));
}

#[test]
fn a_transport_that_fails_is_left_alone_longer_each_time() {
    let mut state = WorkerState::new(&config(&["a"]));
    let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
    for _ in 0..8 {
        assert_eq!(state.step(now), Step::Claim { source: 0, max: 5 });
        state.claim_failed(0, now);
        state.woken(0, now);
        let Step::Wait { until: Some(until) } = state.step(now) else { panic!("it does not wait") };
        pauses.push((until - now).as_millis());
        now = until;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn a_pause_and_a_stop_let_what_is_in_hand_go_on() {
    let mut state = WorkerState::new(&config(&["a"]));
    state.set_paused(true);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: None });
    state.set_paused(false);
    assert!(matches!(state.step(Duration::ZERO), Step::Claim { .. }));
    state.stop();
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: None }, "the claim is under way");
    state.claimed(0, 5, 2, None, Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: None });
    state.handed_back();
    state.finished(false);
    assert_eq!(state.step(Duration::ZERO), Step::Stop(StopReason::Asked));
    assert_eq!(state.taken(), 1);
}

#[test]
fn its_time_ends_it_within_the_wait() {
    let mut state = WorkerState::new(&WorkerConfig { max_time: Some(SECOND / 2), ..config(&["a"]) });
    assert!(matches!(state.step(Duration::ZERO), Step::Claim { .. }));
    state.claimed(0, 5, 0, None, Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: Some(SECOND / 2) });
    assert_eq!(state.step(SECOND / 2), Step::Stop(StopReason::Time));
}

#[test]
fn every_problem_of_a_configuration_is_named() {
    let config = WorkerConfig {
        queues: vec!["a b".to_owned()],
        concurrency: 0,
        lease: Duration::ZERO,
        poll: Duration::ZERO,
        max_messages: Some(0),
        max_failures: Some(0),
        max_time: Some(Duration::ZERO),
        ..WorkerConfig::default()
    };
    insta::assert_snapshot!(config.check().unwrap_err().to_string().replace("; ", "\n"));
}

proptest! {
    /// Whatever happens: never more in hand than it may have, never more begun or failed than it may.
    #[test]
    fn limits_are_never_overshot(
        concurrency in 1usize..5,
        prefetch in 0usize..3,
        max_messages in prop::option::of(1u64..20),
        max_failures in prop::option::of(1u64..6),
        events in prop::collection::vec((0u8..6, 0usize..6), 1..150),
    ) {
        let config =
            WorkerConfig { concurrency, prefetch, max_messages, max_failures, ..config(&["a", "b"]) };
        let mut state = WorkerState::new(&config);
        let (mut now, mut claim) = (Duration::ZERO, None);
        for (event, number) in events {
            match event {
                0 | 1 => {
                    if let Some((source, max)) = claim.take() {
                        state.claimed(source, max, number.min(max), None, now);
                    }
                }
                2 if state.in_hand() > 0 => state.finished(number % 2 == 0),
                3 if state.in_hand() > 0 => state.handed_back(),
                4 => state.woken(number % 2, now),
                _ => now += Duration::from_millis(number as u64 * 300),
            }
            if let Step::Claim { source, max } = state.step(now) {
                prop_assert!(claim.is_none(), "two claims at a time");
                claim = Some((source, max));
                prop_assert!(max > 0);
                prop_assert!(state.in_hand() + max <= concurrency + prefetch);
                prop_assert!(max_messages.is_none_or(|most| state.taken() + max as u64 <= most));
                let may_fail = state.failures() + (state.in_hand() + max) as u64;
                prop_assert!(max_failures.is_none_or(|most| may_fail <= most));
            }
        }
    }
}
