//! When a dead child is started again.
//!
//! - A child is restarted after a backoff that doubles with every death inside the window.
//! - More than `max_restarts` deaths inside `window` and it stays down until somebody brings it up.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::millis;

/// How often and how fast a dead child is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestartPolicy {
    /// Most restarts inside the window; 0 never restarts.
    pub max_restarts: u32,
    /// The window, in milliseconds where it is serialised.
    #[serde(rename = "window_ms", with = "millis")]
    pub window: Duration,
    /// Delay before the first restart; it doubles with every further death inside the window.
    #[serde(rename = "backoff_ms", with = "millis")]
    pub backoff: Duration,
    /// Longest delay.
    #[serde(rename = "max_backoff_ms", with = "millis")]
    pub max_backoff: Duration,
}

impl Default for RestartPolicy {
    /// 3 restarts in 60 s, after 50 ms, 100 ms and 200 ms.
    fn default() -> Self {
        Self {
            max_restarts: 3,
            window: Duration::from_secs(60),
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(5),
        }
    }
}

/// What to do about a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start it again after this delay.
    RestartIn(Duration),
    /// Leave it down.
    GiveUp,
}

/// The deaths of one child, as far as the policy cares.
#[derive(Debug, Clone)]
pub struct RestartState {
    policy: RestartPolicy,
    /// Times of the deaths inside the window, oldest first.
    deaths: VecDeque<Duration>,
}

impl RestartState {
    /// A child that never died.
    #[must_use]
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, deaths: VecDeque::new() }
    }

    /// The child died at `now`, a time on a monotonic clock.
    pub fn died(&mut self, now: Duration) -> RestartDecision {
        let window = self.policy.window;
        while self.deaths.front().is_some_and(|death| now.saturating_sub(*death) > window) {
            self.deaths.pop_front();
        }
        if self.deaths.len() >= self.policy.max_restarts as usize {
            return RestartDecision::GiveUp;
        }
        let doublings = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        self.deaths.push_back(now);
        let delay = self.policy.backoff.saturating_mul(2u32.saturating_pow(doublings));
        RestartDecision::RestartIn(delay.min(self.policy.max_backoff))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn backoff_doubles_and_the_fourth_death_is_final() {
        let mut state = RestartState::new(RestartPolicy::default());
        let decisions: Vec<_> = (0..4).map(|i| state.died(ms(i * 1000))).collect();
        assert_eq!(
            decisions,
            [
                RestartDecision::RestartIn(ms(50)),
                RestartDecision::RestartIn(ms(100)),
                RestartDecision::RestartIn(ms(200)),
                RestartDecision::GiveUp
            ]
        );
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let mut state = RestartState::new(RestartPolicy::default());
        for minute in 0..100 {
            assert_eq!(state.died(ms(minute * 60_001)), RestartDecision::RestartIn(ms(50)));
        }
    }

    proptest! {
        #[test]
        fn never_more_restarts_in_a_window_than_allowed(gaps in prop::collection::vec(0u64..30_000, 1..60), max in 0u32..5) {
            let policy = RestartPolicy { max_restarts: max, ..RestartPolicy::default() };
            let mut state = RestartState::new(policy.clone());
            let (mut now, mut restarts) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if let RestartDecision::RestartIn(delay) = state.died(ms(now)) {
                    prop_assert!(delay <= policy.max_backoff);
                    restarts.push(now);
                }
                let recent = restarts.iter().filter(|at| now - **at <= 60_000).count();
                prop_assert!(recent <= max as usize);
            }
        }
    }
}
