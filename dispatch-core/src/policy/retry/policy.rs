use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::BudgetConfig;
use crate::config::millis;
use crate::error::{ErrorCode, Problem};

/// How often, and after which delays, a failed attempt is made again.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::policy::{Jitter, RetryPolicy};
/// use rand::SeedableRng;
///
/// let policy = RetryPolicy::default().with_jitter(Jitter::None);
/// let rng = &mut rand::rngs::SmallRng::seed_from_u64(0);
/// let delays: Vec<_> = (0..).map_while(|retries| policy.delay(retries, rng)).collect();
/// assert_eq!(delays, [1, 2, 4].map(Duration::from_secs));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// How the delay grows.
    #[serde(rename = "kind")]
    pub backoff: Backoff,
    /// Most attempts after the first.
    pub max_retries: u32,
    /// Delay before the first retry; in milliseconds where it is serialised.
    #[serde(rename = "base_ms", with = "millis")]
    pub base: Duration,
    /// Factor from one delay to the next, of the exponential backoff.
    pub multiplier: f64,
    /// Longest delay.
    #[serde(rename = "cap_ms", with = "millis")]
    pub cap: Duration,
    /// What part of a delay is random.
    pub jitter: Jitter,
    /// The delays of the explicit backoff; the last one repeats.
    pub schedule_ms: Vec<u64>,
    /// Give up when this much time has gone by since the first attempt began, whatever is left of the retries. A call that
    /// an open circuit breaker holds is given up then, too: as a refusal, which is never dead-lettered. What a queue has
    /// taken is not refused, and the time it was held does not count.
    #[serde(rename = "give_up_after_ms", with = "optional_millis", skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<Duration>,
    /// The share of the traffic that may be retries; `None` sets no limit.
    pub budget: Option<BudgetConfig>,
}

/// How delays grow from one retry to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always the base.
    Fixed,
    /// The base times one more than the retries made: 1, 2, 3 …
    Linear,
    /// The base times the multiplier to the power of the retries made: 1, 2, 4 …
    #[default]
    Exponential,
    /// As listed in the schedule.
    Explicit,
}

/// What part of a delay is random.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Nothing.
    None,
    /// The upper half.
    #[default]
    Equal,
    /// All of it.
    Full,
}

impl Default for RetryPolicy {
    /// 3 retries after about 1 s, 2 s and 4 s, at most 30 s, half of it random. They are at most 20 % of the traffic
    /// and 10 a second, and 100 at once: where there is little traffic, the budget keeps none back.
    fn default() -> Self {
        Self {
            backoff: Backoff::Exponential,
            max_retries: 3,
            base: Duration::from_secs(1),
            multiplier: 2.0,
            cap: Duration::from_secs(30),
            jitter: Jitter::Equal,
            schedule_ms: Vec::new(),
            give_up_after: None,
            budget: Some(BudgetConfig::default()),
        }
    }
}

impl RetryPolicy {
    /// No retries.
    #[must_use]
    pub fn never() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// Retries without an end and outside every budget: for what must not be given up, such as dead letters.
    #[must_use]
    pub fn forever() -> Self {
        Self { max_retries: u32::MAX, budget: None, ..Self::default() }
    }

    /// Sets the number of retries.
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the delay before the first retry.
    #[must_use]
    pub fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Sets no limit to the share of retries: for a destination that is known to fail often. With the default budget its
    /// retries would slow down to ten a second.
    #[must_use]
    pub fn without_budget(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Sets what part of a delay is random.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The delay before the next attempt after `retries` of them; `None` if there is none any more.
    pub fn delay(&self, retries: u32, rng: &mut impl Rng) -> Option<Duration> {
        (retries < self.max_retries).then(|| {
            let drawn = match self.jitter {
                Jitter::None => self.raw_ms(retries),
                Jitter::Equal => self.raw_ms(retries) * (0.5 + 0.5 * rng.random::<f64>()),
                Jitter::Full => self.raw_ms(retries) * rng.random::<f64>(),
            };
            self.capped(drawn)
        })
    }

    /// The delay that a destination asked for, as far as the cap allows it.
    #[must_use]
    pub fn clamp(&self, wanted: Duration) -> Duration {
        wanted.min(self.cap)
    }

    /// Whether there is time for another attempt after `delay`, `elapsed` after the first one began.
    #[must_use]
    pub fn has_time(&self, elapsed: Duration, delay: Duration) -> bool {
        self.give_up_after.is_none_or(|limit| elapsed.saturating_add(delay) <= limit)
    }

    /// In milliseconds, neither random nor capped; infinite rather than an overflow.
    fn raw_ms(&self, retries: u32) -> f64 {
        let base = self.base.as_secs_f64() * 1000.0;
        match self.backoff {
            Backoff::Fixed => base,
            Backoff::Linear => base * (f64::from(retries) + 1.0),
            Backoff::Exponential => base * self.multiplier.powi(i32::try_from(retries).unwrap_or(i32::MAX)),
            Backoff::Explicit => {
                let last = self.schedule_ms.len().saturating_sub(1);
                let position = usize::try_from(retries).unwrap_or(usize::MAX).min(last);
                #[expect(clippy::cast_precision_loss, reason = "exact up to 285,000 years")]
                self.schedule_ms.get(position).map_or(base, |ms| *ms as f64)
            }
        }
    }

    fn capped(&self, ms: f64) -> Duration {
        /// Products of fractions come out a little too small; the rounding must not take a millisecond for that.
        const SLACK: f64 = 1e-6;
        let cap = u64::try_from(self.cap.as_millis()).unwrap_or(u64::MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is positive"
        )]
        let floor = (ms + SLACK) as u64;
        Duration::from_millis(floor.min(cap))
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| {
            problems.push(Problem::new(ErrorCode::InvalidParameter, format!("retry: {text}")));
        };
        if !(self.multiplier >= 1.0 && self.multiplier.is_finite()) {
            add(format!("multiplier is {}: use a number of at least 1", self.multiplier));
        }
        if self.cap < self.base {
            add(format!("cap is {:?}, below the base of {:?}: raise it", self.cap, self.base));
        }
        if self.backoff == Backoff::Explicit && self.schedule_ms.is_empty() {
            add("schedule_ms is empty: list the delays, or use another kind".to_owned());
        }
        if self.backoff != Backoff::Explicit && !self.schedule_ms.is_empty() {
            add("schedule_ms is given but not used: set kind to 'explicit', or leave it out".to_owned());
        }
        if let Some(longest) = self.schedule_ms.iter().max().map(|ms| Duration::from_millis(*ms))
            && longest > self.cap
        {
            add(format!("schedule_ms holds {longest:?}, over the cap of {:?}: raise cap_ms", self.cap));
        }
        if self.give_up_after == Some(Duration::ZERO) {
            add("give_up_after_ms is 0: leave it out to set no limit".to_owned());
        }
        problems.extend(self.budget.iter().flat_map(BudgetConfig::problems));
        problems
    }
}

/// A duration that may be absent, in milliseconds.
mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => crate::config::millis::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}
