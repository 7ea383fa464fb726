use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::messenger::Rates;
use crate::policy::RateLimit;

mod claims;

const SECOND: Duration = Duration::from_secs(1);
/// How long the room for what a transport was asked for is kept free, if it was not slow before.
const PATIENCE: Duration = Duration::from_millis(300);

fn config(transports: &[&str]) -> WorkerConfig {
    WorkerConfig {
        transports: transports.iter().map(|name| (*name).to_owned()).collect(),
        ..WorkerConfig::default()
    }
}

/// A transport answers in time, so all that it gives is taken in.
fn gives(
    state: &mut WorkerState,
    source: usize,
    asked: usize,
    count: usize,
    next_due: Option<Duration>,
    now: Duration,
) {
    assert_eq!(state.claimed(source, asked, count, next_due, now), count);
}

#[test]
fn the_first_transport_has_precedence_and_the_next_is_asked_when_it_has_no_more() {
    let mut state = WorkerState::new(&config(&["high", "low"]));
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 5 });
    let patient = Step::Wait { until: Some(PATIENCE) };
    assert_eq!(state.step(Duration::ZERO), patient, "it was asked for all that there is room for");
    gives(&mut state, 0, 5, 2, Some(SECOND / 4), Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 1, max: 3 });
    gives(&mut state, 1, 3, 1, None, Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: Some(SECOND / 4) });
    assert_eq!(state.step(SECOND / 4), Step::Claim { source: 0, max: 2 });
    gives(&mut state, 0, 2, 0, None, SECOND / 4);
    state.woken(1, SECOND / 4);
    assert_eq!(state.step(SECOND / 4), Step::Claim { source: 1, max: 2 });
}

#[test]
fn a_full_answer_is_asked_again_and_fair_ones_take_turns() {
    for (fair, wanted) in [(false, [0, 0, 0]), (true, [0, 1, 0])] {
        let mut state = WorkerState::new(&WorkerConfig { fair, concurrency: 1, ..config(&["a", "b"]) });
        for source in wanted {
            assert_eq!(state.step(Duration::ZERO), Step::Claim { source, max: 1 });
            gives(&mut state, source, 1, 1, None, Duration::ZERO);
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
    gives(&mut state, 0, 5, 0, None, Duration::ZERO);
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
    gives(&mut state, 0, 5, 2, None, Duration::ZERO);
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
    gives(&mut state, 0, 5, 0, None, Duration::ZERO);
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
        max_memory: Some(0),
        max_time: Some(Duration::ZERO),
        ..WorkerConfig::default()
    };
    insta::assert_snapshot!(config.check().unwrap_err().to_string().replace("; ", "\n"));
}

#[test]
fn memory_is_measured_before_a_claim_now_and_then_and_too_much_ends_it() {
    let mut state = WorkerState::new(&WorkerConfig { max_memory: Some(1_000), ..config(&["a"]) });
    assert_eq!(state.step(Duration::ZERO), Step::Measure);
    state.measured(Some(1_000), Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 5 }, "as much as it may have");
    gives(&mut state, 0, 5, 2, None, Duration::ZERO);
    state.woken(0, SECOND / 20);
    assert_eq!(state.step(SECOND / 20), Step::Claim { source: 0, max: 3 }, "it is known well enough");
    gives(&mut state, 0, 3, 0, None, SECOND / 20);
    state.woken(0, SECOND / 10);
    assert_eq!(state.step(SECOND / 10), Step::Measure);
    state.measured(None, SECOND / 10);
    assert_eq!(state.step(SECOND / 10), Step::Claim { source: 0, max: 3 }, "nobody knows, so it goes on");
    gives(&mut state, 0, 3, 0, None, SECOND / 10);
    assert_eq!(state.step(SECOND * 2), Step::Measure);
    state.measured(Some(1_001), SECOND * 2);
    assert_eq!(state.step(SECOND * 2), Step::Wait { until: None }, "what is in hand goes on");
    state.finished(false);
    state.finished(false);
    assert_eq!(state.step(SECOND * 2), Step::Stop(StopReason::Memory));
}

fn at_most(limit: RateLimit) -> Rates {
    Rates { all: Some(limit), per_key: None }
}

#[test]
fn a_claim_asks_for_no_more_than_may_begin_and_the_next_waits_for_its_permit() {
    let mut state = WorkerState::new(&config(&["a", "b"]));
    state.set_rates(0, at_most(RateLimit::per_second(4).with_burst(3)));
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 3 });
    gives(&mut state, 0, 3, 3, None, Duration::ZERO);
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 1, max: 2 }, "the other one goes on");
    gives(&mut state, 1, 2, 0, None, Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(state.begin(0, None, Duration::ZERO), Ok(()));
        state.finished(false);
    }
    assert_eq!(state.begin(0, None, Duration::ZERO), Err(SECOND / 4));
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: Some(SECOND / 4) });
    assert_eq!(state.step(SECOND / 4), Step::Claim { source: 0, max: 1 });
    gives(&mut state, 0, 1, 1, None, SECOND / 4);
    assert_eq!(
        state.step(SECOND / 2),
        Step::Claim { source: 0, max: 1 },
        "the first has not begun: it counts"
    );
}

#[test]
fn a_changed_rate_holds_within_a_poll_and_begins_anew() {
    let mut state = WorkerState::new(&config(&["a"]));
    let hourly = RateLimit { per: SECOND * 3_600, ..RateLimit::per_second(1) };
    state.set_rates(0, at_most(hourly));
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 1 });
    gives(&mut state, 0, 1, 1, None, Duration::ZERO);
    assert_eq!(state.begin(0, None, Duration::ZERO), Ok(()));
    state.finished(false);
    assert_eq!(state.step(Duration::ZERO), Step::Wait { until: Some(SECOND) }, "a poll, not an hour");
    state.set_rates(0, at_most(hourly));
    assert_eq!(state.step(SECOND), Step::Wait { until: Some(SECOND * 2) }, "nothing has changed");
    state.set_rates(0, Rates::default());
    assert_eq!(state.step(SECOND * 2), Step::Claim { source: 0, max: 5 });
}

#[test]
fn a_key_over_its_rate_is_refused_and_others_begin() {
    let mut state = WorkerState::new(&config(&["a"]));
    state.set_rates(0, Rates { all: None, per_key: Some(RateLimit::per_second(2)) });
    assert!(matches!(state.step(Duration::ZERO), Step::Claim { .. }));
    gives(&mut state, 0, 5, 4, None, Duration::ZERO);
    assert_eq!(state.begin(0, Some("ann"), Duration::ZERO), Ok(()));
    assert_eq!(state.begin(0, Some("ann"), SECOND / 10), Err(SECOND * 4 / 10));
    state.not_begun(0);
    state.handed_back();
    assert_eq!(state.begin(0, Some("bob"), SECOND / 10), Ok(()));
    assert_eq!(state.begin(0, None, SECOND / 10), Ok(()), "without a key there is no rate of a key");
    assert_eq!(state.taken(), 3);
}

#[test]
fn one_that_its_key_keeps_back_costs_its_transport_nothing() {
    let mut state = WorkerState::new(&config(&["a"]));
    let limit = RateLimit::per_second(1);
    state.set_rates(0, Rates { all: Some(limit.with_burst(2)), per_key: Some(limit) });
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 2 });
    gives(&mut state, 0, 2, 2, None, Duration::ZERO);
    assert_eq!(state.begin(0, Some("ann"), Duration::ZERO), Ok(()));
    assert!(state.begin(0, Some("ann"), Duration::ZERO).is_err());
    state.not_begun(0);
    state.handed_back();
    assert_eq!(state.step(Duration::ZERO), Step::Claim { source: 0, max: 1 });
}

proptest! {
    /// Whatever is claimed, begun and handed back, and whenever: what is claimed may begin at once, what begins keeps to the
    /// rates, and whoever waits until it is told may claim then.
    #[test]
    fn rates_are_kept_and_every_permit_is_used(
        rate in 1u32..20, burst in 1u32..5, key_rate in 1u32..6, prefetch in 0usize..4,
        events in prop::collection::vec((0u8..6, 0u64..400), 1..200),
    ) {
        let config = WorkerConfig { prefetch, poll: SECOND * 1_000, ..config(&["a"]) };
        let mut state = WorkerState::new(&config);
        let limit = RateLimit::per_second(rate).with_burst(burst);
        let per_key = RateLimit::per_second(key_rate);
        state.set_rates(0, Rates { all: Some(limit), per_key: Some(per_key) });
        let (mut now, mut waiting, mut running) = (Duration::ZERO, 0usize, 0usize);
        let mut begun: Vec<(Duration, u64)> = Vec::new();
        for (event, number) in events {
            match event {
                0 | 1 => now += Duration::from_millis(number),
                2 if running > 0 => {
                    state.finished(number % 2 == 0);
                    running -= 1;
                }
                _ if waiting > 0 => {
                    let key = number % 3;
                    waiting -= 1;
                    if state.begin(0, Some(&key.to_string()), now).is_ok() {
                        begun.push((now, key));
                        running += 1;
                    } else {
                        let last = begun.iter().rev().find(|(_, other)| *other == key);
                        let is_over = last.is_some_and(|(at, _)| now < *at + SECOND / key_rate + Duration::from_nanos(1));
                        prop_assert!(is_over, "only its key keeps one back that was claimed");
                        state.not_begun(0);
                        state.handed_back();
                    }
                }
                _ => {}
            }
            match state.step(now) {
                Step::Claim { source, max } => {
                    let count = max.min(number as usize % 4 + 1);
                    gives(&mut state, source, max, count, None, now);
                    waiting += count;
                    // What is asked for again is asked for by the next event.
                    state.woken(source, now);
                }
                Step::Wait { until: Some(until) } if waiting == 0 => {
                    prop_assert!(until > now);
                    let mut then = state.clone();
                    let is_claim = matches!(then.step(until), Step::Claim { .. });
                    prop_assert!(is_claim, "the permit is there");
                    let mut earlier = state.clone();
                    let too_early = matches!(earlier.step(until - Duration::from_nanos(1)), Step::Claim { .. });
                    prop_assert!(!too_early);
                }
                _ => {}
            }
        }
        let keys = (0..3).map(|key| (begun.iter().filter(|(_, it)| *it == key).map(|(at, _)| *at).collect(), per_key));
        let all = (begun.iter().map(|(at, _)| *at).collect::<Vec<_>>(), limit);
        for (times, limit) in keys.chain([all]) {
            for (from, start) in times.iter().enumerate() {
                for (count, end) in times[from..].iter().enumerate() {
                    let interval = SECOND.as_nanos().div_ceil(u128::from(limit.events));
                    let most = u128::from(limit.burst) + (*end - *start).as_nanos() / interval;
                    prop_assert!((count as u128) < most, "{count} more than one in {:?}", *end - *start);
                }
            }
        }
    }
}

#[test]
fn a_message_that_is_handed_back_leaves_its_place_in_the_limit_to_another() {
    let config = WorkerConfig {
        transports: vec!["mail".to_owned()],
        concurrency: 1,
        prefetch: 2,
        max_messages: Some(3),
        ..WorkerConfig::default()
    };
    let zero = Duration::ZERO;
    let mut state = WorkerState::new(&config);
    assert_eq!(state.step(zero), Step::Claim { source: 0, max: 3 });
    gives(&mut state, 0, 3, 3, None, zero);
    assert_eq!(state.step(zero), Step::Wait { until: None }, "it has as many as it may");
    state.finished(false);
    state.finished(false);
    state.handed_back();
    assert_eq!(state.step(zero), Step::Claim { source: 0, max: 1 });
    gives(&mut state, 0, 1, 1, None, zero);
    assert_eq!(state.step(zero), Step::Wait { until: None });
    state.stop();
    state.handed_back();
    assert_eq!(state.step(zero), Step::Stop(StopReason::Messages), "it was asked to stop");
}
