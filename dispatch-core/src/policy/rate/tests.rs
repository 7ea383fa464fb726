use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_burst_passes_at_once_and_then_one_an_interval() {
    let (limit, mut cell) = (RateLimit::per_second(10).with_burst(3), RateCell::default());
    let waits: Vec<_> = (0..5).map(|_| cell.reserve(&limit, ms(5000)).as_millis()).collect();
    assert_eq!(waits, [0, 0, 0, 100, 200]);
}

#[test]
fn impossible_values_are_named() {
    let limit = RateLimit { events: 0, per: Duration::ZERO, burst: 0 };
    assert_eq!(limit.problems().len(), 3);
    assert!(RateLimit::per_second(1).problems().is_empty());
    assert_eq!(serde_json::from_str::<RateLimit>(r#"{"events": 5}"#).unwrap(), RateLimit::per_second(5));
}

#[test]
fn beyond_the_bound_an_unknown_key_waits_until_another_is_forgotten() {
    let (limit, mut keys) = (RateLimit::per_second(1), KeyRates::bounded(2));
    assert_eq!(keys.pass(&limit, "a", ms(0)), Ok(()));
    assert_eq!(keys.pass(&limit, "b", ms(400)), Ok(()));
    assert_eq!(keys.pass(&limit, "c", ms(600)), Err(ms(400)), "a is as good as new then");
    assert_eq!(keys.pass(&limit, "c", ms(1_000)), Ok(()));
    assert_eq!(keys.len(), 2);
}

proptest! {
    /// To forget a key changes no answer, and none is known that is as good as new.
    #[test]
    fn keys_are_limited_apart_and_forgotten_when_that_changes_nothing(
        events in prop::collection::vec((0u64..3_000, 0usize..6), 1..150),
        rate in 1u32..8, burst in 1u32..4,
    ) {
        let limit = RateLimit::per_second(rate).with_burst(burst);
        let (mut keys, mut model, mut now) = (KeyRates::default(), HashMap::new(), Duration::ZERO);
        for (gap, key) in events {
            now += ms(gap / 8);
            let key = format!("key-{key}");
            let wanted = model.entry(key.clone()).or_insert_with(RateCell::default).pass(&limit, now);
            prop_assert_eq!(keys.pass(&limit, &key, now), wanted);
            prop_assert_eq!(keys.len(), model.values().filter(|cell| !cell.is_idle(now)).count());
        }
    }

    /// What is said to be available passes, and no more; and after the wait it is available.
    #[test]
    fn what_is_available_passes(
        gaps in prop::collection::vec(0u64..700, 1..40), rate in 1u32..9, burst in 1u32..6, wanted in 1u64..8,
    ) {
        let limit = RateLimit::per_second(rate).with_burst(burst);
        let (mut cell, mut now) = (RateCell::default(), Duration::ZERO);
        for gap in gaps {
            now += ms(gap);
            let _ = cell.pass(&limit, now);
            let available = cell.available(&limit, now);
            let mut copy = cell;
            let passed = (0..20).take_while(|_| copy.pass(&limit, now).is_ok()).count();
            prop_assert_eq!(available, passed as u64);
            match cell.wait_for(&limit, wanted, now) {
                None => prop_assert!(wanted > u64::from(burst)),
                Some(wait) => {
                    prop_assert!(cell.available(&limit, now + wait) >= wanted);
                    let earlier = wait.checked_sub(Duration::from_nanos(1));
                    prop_assert!(earlier.is_none_or(|wait| cell.available(&limit, now + wait) < wanted));
                }
            }
        }
    }

    #[test]
    fn no_window_holds_more_than_the_limit_allows(
        gaps in prop::collection::vec(0u64..400_000_000, 1..120),
        events in 1u32..50, per in 100u64..2_000, burst in 1u32..6, reserve in any::<bool>(),
    ) {
        let limit = RateLimit { events, per: ms(per), burst };
        let (mut cell, mut now, mut passed) = (RateCell::default(), Duration::ZERO, Vec::new());
        for gap in gaps {
            now += Duration::from_nanos(gap);
            if reserve {
                passed.push(now + cell.reserve(&limit, now));
            } else {
                match cell.pass(&limit, now) {
                    Ok(()) => passed.push(now),
                    Err(wait) => {
                        let mut later = cell;
                        prop_assert!(later.pass(&limit, now + wait).is_ok(), "after the wait it passes");
                    }
                }
            }
            prop_assert_eq!(RateCell::from_bits(cell.to_bits()), cell);
        }
        prop_assert!(passed.is_sorted(), "reservations are due in the order they were made");
        for (from, start) in passed.iter().enumerate() {
            for (count, end) in passed[from..].iter().enumerate() {
                let intervals = (*end - *start).as_nanos() / u128::from(limit.interval());
                let most = u128::from(burst) + intervals;
                prop_assert!((count as u128) < most);
            }
        }
    }
}
