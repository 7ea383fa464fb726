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

proptest! {
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
