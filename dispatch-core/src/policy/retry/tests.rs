use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

fn delays(policy: &RetryPolicy, seed: u64) -> Vec<u64> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..).map_while(|n| policy.delay(n, &mut rng)).map(|d| d.as_millis() as u64).collect()
}

fn plain(backoff: Backoff, max_retries: u32) -> RetryPolicy {
    RetryPolicy { backoff, max_retries, jitter: Jitter::None, ..RetryPolicy::default() }
}

#[test]
fn each_kind_grows_in_its_own_way() {
    assert_eq!(delays(&plain(Backoff::Fixed, 3), 0), [1000, 1000, 1000]);
    assert_eq!(delays(&plain(Backoff::Linear, 3), 0), [1000, 2000, 3000]);
    assert_eq!(delays(&plain(Backoff::Exponential, 6), 0), [1000, 2000, 4000, 8000, 16000, 30000]);
    let listed = RetryPolicy { schedule_ms: vec![100, 500], ..plain(Backoff::Explicit, 4) };
    assert_eq!(delays(&listed, 0), [100, 500, 500, 500]);
}

#[test]
fn impossible_values_are_all_named() {
    let policy = RetryPolicy {
        multiplier: 0.5,
        cap: Duration::from_millis(10),
        schedule_ms: vec![50],
        give_up_after: Some(Duration::ZERO),
        budget: Some(BudgetConfig { ratio: -1.0, min_per_second: 0, burst: 0 }),
        ..RetryPolicy::default()
    };
    let text: Vec<_> = policy.problems().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    INVALID_PARAMETER: retry: multiplier is 0.5: use a number of at least 1
    INVALID_PARAMETER: retry: cap is 10ms, below the base of 1s: raise it
    INVALID_PARAMETER: retry: schedule_ms is given but not used: set kind to 'explicit', or leave it out
    INVALID_PARAMETER: retry: schedule_ms holds 50ms, over the cap of 10ms: raise cap_ms
    INVALID_PARAMETER: retry: give_up_after_ms is 0: leave it out to set no limit
    INVALID_PARAMETER: retry budget: ratio is -1: use 0 to 10; 0.2 is one retry for five first attempts
    INVALID_PARAMETER: retry budget: min_per_second is 0: use 1 to 1000
    INVALID_PARAMETER: retry budget: burst is 0: use 1 to 10000
    ");
    assert!(RetryPolicy::default().problems().is_empty());
    assert!(RetryPolicy::forever().problems().is_empty());
}

#[test]
fn a_policy_survives_json() {
    let policy = RetryPolicy { give_up_after: Some(Duration::from_secs(60)), ..RetryPolicy::default() };
    let json = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<RetryPolicy>(&json).unwrap(), policy);
    assert!(serde_json::from_str::<RetryPolicy>(r#"{"max_retrys": 1}"#).is_err());
}

proptest! {
    #[test]
    fn jitter_stays_in_its_part_and_under_the_cap(
        seed in any::<u64>(), base in 1u64..5_000, multiplier in 1.0f64..5.0, cap in 5_000u64..100_000, n in 0u32..80,
        jitter in prop_oneof![Just(Jitter::None), Just(Jitter::Equal), Just(Jitter::Full)],
    ) {
        let policy = RetryPolicy {
            base: Duration::from_millis(base), multiplier, cap: Duration::from_millis(cap), jitter, max_retries: 100,
            ..RetryPolicy::default()
        };
        let delay = policy.delay(n, &mut SmallRng::seed_from_u64(seed)).unwrap();
        let raw = base as f64 * multiplier.powi(n as i32);
        let least = match jitter { Jitter::None => raw, Jitter::Equal => raw / 2.0, Jitter::Full => 0.0 };
        let ms = delay.as_millis() as f64;
        prop_assert!(ms <= raw + 0.001 && delay <= policy.cap);
        prop_assert!(ms + 1.0 >= least.min(cap as f64));
        prop_assert_eq!(delay, policy.delay(n, &mut SmallRng::seed_from_u64(seed)).unwrap());
    }

    #[test]
    fn a_budget_never_allows_more_than_it_says(
        steps in prop::collection::vec((0u64..300, prop::bool::weighted(0.6)), 1..300),
        ratio in 0.0f64..1.0, min_per_second in 1u32..20, burst in 1u32..20,
    ) {
        let config = BudgetConfig { ratio, min_per_second, burst };
        let (mut budget, mut now, mut first, mut retries) = (RetryBudget::new(&config), 0u64, 0u64, 0u64);
        for (gap, retry) in steps {
            now += gap;
            if retry {
                match budget.withdraw(&config, Duration::from_millis(now)) {
                    Ok(()) => retries += 1,
                    Err(wait) => {
                        let mut later = budget;
                        let due = Duration::from_millis(now) + wait;
                        prop_assert!(later.withdraw(&config, due).is_ok(), "after the wait there is one");
                    }
                }
            } else {
                first += 1;
                budget.deposit(&config);
            }
            prop_assert_eq!(RetryBudget::from_bits(budget.to_bits()), budget);
            let most = f64::from(burst) + ratio * first as f64 + f64::from(min_per_second) * now as f64 / 1000.0;
            prop_assert!(retries as f64 <= most + 0.001, "{} retries, at most {}", retries, most);
        }
    }
}
