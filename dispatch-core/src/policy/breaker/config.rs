use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::millis;
use crate::error::{ErrorCode, Problem};

/// When a breaker opens, and what closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row that open it; 1 to 4,095.
    pub failure_threshold: u16,
    /// How long it stays open before a probe may pass; in milliseconds where it is serialised.
    #[serde(rename = "recovery_timeout_ms", with = "millis")]
    pub recovery_timeout: Duration,
    /// Most probes that are out at once while it is half-open; 1 to 4,095.
    pub half_open_max_calls: u16,
    /// Successful probes that close it; 1 to 1,023.
    pub success_threshold: u16,
}

impl Default for BreakerConfig {
    /// Opens after 5 failures, for 60 s; then 3 probes at once, of which one success closes it.
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            recovery_timeout: Duration::from_secs(60),
            half_open_max_calls: 3,
            success_threshold: 1,
        }
    }
}

impl BreakerConfig {
    /// Largest number of failures and of probes that a state has room for.
    pub(super) const MAX_CALLS: u16 = 0xfff;
    /// Largest number of successes that a state has room for.
    pub(super) const MAX_SUCCESSES: u16 = 0x3ff;

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let ranges = [
            ("failure_threshold", self.failure_threshold, Self::MAX_CALLS),
            ("half_open_max_calls", self.half_open_max_calls, Self::MAX_CALLS),
            ("success_threshold", self.success_threshold, Self::MAX_SUCCESSES),
        ];
        let mut problems: Vec<_> = ranges
            .into_iter()
            .filter(|(_, value, max)| *value == 0 || value > max)
            .map(|(name, value, max)| {
                Problem::new(
                    ErrorCode::InvalidParameter,
                    format!("circuit breaker: {name} is {value}: use 1 to {max}"),
                )
            })
            .collect();
        let timeout = self.recovery_timeout;
        if timeout < Duration::from_millis(1) || timeout > Duration::from_secs(365 * 24 * 3600) {
            problems.push(Problem::new(
                ErrorCode::InvalidParameter,
                format!("circuit breaker: recovery_timeout is {timeout:?}: use 1 ms to 365 days"),
            ));
        }
        problems
    }
}
