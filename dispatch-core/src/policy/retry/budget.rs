use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, Problem};

/// What share of a destination's traffic may be retries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Retries for each first attempt; 0.2 is one for five.
    pub ratio: f64,
    /// Retries a second that are allowed whatever the traffic; without them a retry could wait for ever.
    pub min_per_second: u32,
    /// Most retries that may be saved up, and how many there are at the start.
    pub burst: u32,
}

impl Default for BudgetConfig {
    /// 20 % of the traffic and 10 a second, at most 100 at once.
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 10, burst: 100 }
    }
}

impl BudgetConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| {
            problems.push(Problem::new(ErrorCode::InvalidParameter, format!("retry budget: {text}")));
        };
        if !(0.0..=10.0).contains(&self.ratio) {
            add(format!("ratio is {}: use 0 to 10; 0.2 is one retry for five first attempts", self.ratio));
        }
        if !(1..=1_000).contains(&self.min_per_second) {
            add(format!("min_per_second is {}: use 1 to 1000", self.min_per_second));
        }
        if !(1..=10_000).contains(&self.burst) {
            add(format!("burst is {}: use 1 to 10000", self.burst));
        }
        problems
    }

    /// What one first attempt adds, in thousandths of a retry.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 to 10")]
    fn deposit(&self) -> u64 {
        (self.ratio.clamp(0.0, 10.0) * 1000.0) as u64
    }

    fn most(&self) -> u64 {
        u64::from(self.burst.clamp(1, 10_000)) * RetryBudget::RETRY
    }
}

/// What is left of a budget; a word, so that threads can share one without a lock.
///
/// Over any span of time the retries are at most `burst + ratio x first attempts + min_per_second x seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Thousandths of a retry.
    saved: u64,
    /// When `saved` was last topped up, in milliseconds since the origin of the caller's clock.
    at_ms: u64,
}

impl RetryBudget {
    const RETRY: u64 = 1000;
    const AT_BITS: u32 = 40;

    /// A full budget.
    #[must_use]
    pub fn new(config: &BudgetConfig) -> Self {
        Self { saved: config.most(), at_ms: 0 }
    }

    /// A first attempt was made.
    pub fn deposit(&mut self, config: &BudgetConfig) {
        self.saved = (self.saved + config.deposit()).min(config.most());
    }

    /// Takes one retry out.
    ///
    /// # Errors
    /// How long it takes until there is one, if nothing else happens.
    pub fn withdraw(&mut self, config: &BudgetConfig, now: Duration) -> Result<(), Duration> {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX) & ((1 << Self::AT_BITS) - 1);
        let per_second = u64::from(config.min_per_second.clamp(1, 1_000));
        // A retry is a thousand thousandths and a second a thousand milliseconds: so many thousandths each.
        let earned = now_ms.saturating_sub(self.at_ms).saturating_mul(per_second);
        self.saved = self.saved.saturating_add(earned).min(config.most());
        self.at_ms = self.at_ms.max(now_ms);
        if self.saved >= Self::RETRY {
            self.saved -= Self::RETRY;
            return Ok(());
        }
        Err(Duration::from_millis((Self::RETRY - self.saved).div_ceil(per_second)))
    }

    /// The state as one word.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.saved << Self::AT_BITS | self.at_ms
    }

    /// The state of a word made by [`to_bits`](Self::to_bits).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { saved: bits >> Self::AT_BITS, at_ms: bits & ((1 << Self::AT_BITS) - 1) }
    }
}
