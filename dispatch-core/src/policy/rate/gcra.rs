use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::millis;
use crate::error::{ErrorCode, Problem};

/// So many events in so much time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Events in the time `per`; at least 1.
    pub events: u32,
    /// The time; one second unless given, in milliseconds where it is serialised.
    #[serde(rename = "per_ms", with = "millis", default = "one_second")]
    pub per: Duration,
    /// Most events at once, after a time without any; 1 unless given.
    #[serde(default = "one")]
    pub burst: u32,
}

const fn one_second() -> Duration {
    Duration::from_secs(1)
}

const fn one() -> u32 {
    1
}

impl RateLimit {
    /// So many events a second, evenly spaced.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self { events, per: one_second(), burst: 1 }
    }

    /// Sets how many events may pass at once.
    #[must_use]
    pub const fn with_burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| {
            problems.push(Problem::new(ErrorCode::InvalidParameter, format!("rate limit: {text}")));
        };
        if self.events == 0 {
            add("events is 0: use at least 1, or turn off what it limits".to_owned());
        }
        if self.per.is_zero() || self.per > Duration::from_secs(24 * 3600) {
            add(format!("per is {:?}: use 1 ms to 24 h", self.per));
        }
        if self.burst == 0 {
            add("burst is 0: use at least 1".to_owned());
        }
        problems
    }

    /// Nanoseconds from one event to the next, rounded up.
    pub(super) fn interval(&self) -> u64 {
        let per = u64::try_from(self.per.as_nanos()).unwrap_or(u64::MAX);
        per.div_ceil(u64::from(self.events.max(1))).max(1)
    }

    /// How far ahead of its time an event may pass, in nanoseconds.
    fn tolerance(&self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst.max(1)) - 1)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.events, self.per)?;
        if self.burst > 1 { write!(f, ", {} at once", self.burst) } else { Ok(()) }
    }
}

/// A rate limit at one moment.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::policy::{RateCell, RateLimit};
///
/// let (limit, mut cell) = (RateLimit::per_second(10), RateCell::default());
/// assert!(cell.pass(&limit, Duration::ZERO).is_ok());
/// assert_eq!(cell.pass(&limit, Duration::ZERO), Err(Duration::from_millis(100)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateCell {
    /// When the cell is empty, in nanoseconds since the origin of the caller's clock: 584 years.
    empty_at: u64,
}

impl RateCell {
    /// Lets an event pass now.
    ///
    /// # Errors
    /// How long until it would pass.
    pub fn pass(&mut self, limit: &RateLimit, now: Duration) -> Result<(), Duration> {
        let mut reserved = *self;
        let wait = reserved.reserve(limit, now);
        if wait.is_zero() {
            *self = reserved;
            return Ok(());
        }
        Err(wait)
    }

    /// Lets an event pass, now or later; how long it has to wait.
    pub fn reserve(&mut self, limit: &RateLimit, now: Duration) -> Duration {
        let now = nanos(now);
        let empty_at = self.empty_at.max(now);
        self.empty_at = empty_at.saturating_add(limit.interval());
        Duration::from_nanos(empty_at.saturating_sub(limit.tolerance()).saturating_sub(now))
    }

    /// How many events would pass at once now.
    #[must_use]
    pub fn available(self, limit: &RateLimit, now: Duration) -> u64 {
        let now = nanos(now);
        let ahead = now.saturating_add(limit.tolerance()).checked_sub(self.empty_at.max(now));
        ahead.map_or(0, |ahead| ahead / limit.interval() + 1)
    }

    /// How long until so many events would pass at once; `None` if they never will.
    #[must_use]
    pub fn wait_for(self, limit: &RateLimit, count: u64, now: Duration) -> Option<Duration> {
        if count > u64::from(limit.burst.max(1)) {
            return None;
        }
        let now = nanos(now);
        let behind = limit.interval().saturating_mul(count.saturating_sub(1));
        let last = self.empty_at.max(now).saturating_add(behind);
        Some(Duration::from_nanos(last.saturating_sub(limit.tolerance()).saturating_sub(now)))
    }

    /// Whether it is as good as new at `now`.
    #[must_use]
    pub fn is_idle(&self, now: Duration) -> bool {
        self.empty_at <= nanos(now)
    }

    /// The state as one word.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.empty_at
    }

    /// The state of a word made by [`to_bits`](Self::to_bits).
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { empty_at: bits }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
