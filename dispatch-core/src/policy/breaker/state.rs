use std::time::Duration;

use super::BreakerConfig;

/// A breaker at one moment: a plain value that is told what happened, and when.
///
/// Times are those of a monotonic clock, counted from an origin of the caller's choice; they are kept to the
/// millisecond, for 34 years.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::policy::{BreakerConfig, BreakerPhase, BreakerState, Verdict};
///
/// let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
/// let (mut breaker, start) = (BreakerState::default(), Duration::ZERO);
/// let passage = breaker.admit(&config, start).expect("it is closed");
/// breaker.settle(&config, passage, Verdict::Failure, start);
/// assert_eq!(breaker.phase(), BreakerPhase::Open);
/// assert_eq!(breaker.admit(&config, start), Err(Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerState {
    phase: BreakerPhase,
    /// Failures in a row while closed; probes out while half-open.
    calls: u16,
    /// Successful probes while half-open.
    successes: u16,
    /// When the phase began, in milliseconds since the origin.
    since_ms: u64,
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerPhase {
    /// Lets them pass.
    Closed,
    /// Refuses them.
    Open,
    /// Lets a few of them pass, to find out.
    HalfOpen,
}

impl BreakerPhase {
    /// Every phase.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// As it is written in logs, metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A call that was let through; its outcome is reported with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "report the outcome with settle(), or a probe's place stays taken for as long as it would stay open"]
pub struct Passage {
    phase: BreakerPhase,
    since_ms: u64,
}

impl Passage {
    /// Whether the call finds out if the destination works again.
    #[must_use]
    pub const fn is_probe(self) -> bool {
        matches!(self.phase, BreakerPhase::HalfOpen)
    }
}

/// What a call says about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing: the call was given up, or failed before it came that far.
    Unknown,
}

impl Default for BreakerState {
    /// Closed, without a failure.
    fn default() -> Self {
        Self { phase: BreakerPhase::Closed, calls: 0, successes: 0, since_ms: 0 }
    }
}

impl BreakerState {
    /// For how many recovery timeouts at most it stays open because the destination has asked for it.
    pub const MOST_WINDOWS: u32 = 10;

    const SINCE_BITS: u32 = 40;
    const SUCCESS_BITS: u32 = 10;
    const CALL_BITS: u32 = 12;

    /// The phase it is in. An open breaker stays open until the first [`admit`](Self::admit) after its window.
    #[must_use]
    pub const fn phase(&self) -> BreakerPhase {
        self.phase
    }

    /// Asks to let a call pass.
    ///
    /// # Errors
    /// The longest time until a probe may pass. It may be sooner if every probe is out: when one comes back.
    pub fn admit(&mut self, config: &BreakerConfig, now: Duration) -> Result<Passage, Duration> {
        if self.phase == BreakerPhase::Open {
            if let Some(remaining) = self.remaining(config, now) {
                return Err(remaining);
            }
            self.enter(BreakerPhase::HalfOpen, now);
        }
        if self.phase == BreakerPhase::HalfOpen {
            if self.calls >= config.half_open_max_calls {
                if let Some(remaining) = self.remaining(config, now) {
                    return Err(remaining);
                }
                self.enter(BreakerPhase::HalfOpen, now);
            }
            self.calls += 1;
        }
        Ok(Passage { phase: self.phase, since_ms: self.since_ms })
    }

    /// What is left of the window of a breaker that is open or half-open; `None` if nothing is.
    #[must_use]
    pub fn remaining(&self, config: &BreakerConfig, now: Duration) -> Option<Duration> {
        let end = Duration::from_millis(self.since_ms).saturating_add(config.recovery_timeout);
        (self.phase != BreakerPhase::Closed && now < end).then(|| end.saturating_sub(now))
    }

    /// Reports the outcome of a call that was let through. Ignored if the breaker has changed since, but for the
    /// success of a probe that took longer than the window.
    pub fn settle(&mut self, config: &BreakerConfig, passage: Passage, verdict: Verdict, now: Duration) {
        let current = (passage.phase, passage.since_ms) == (self.phase, self.since_ms);
        // A probe that was given up as lost and succeeds after all has found out what it was sent for.
        let late_probe =
            passage.is_probe() && self.phase == BreakerPhase::HalfOpen && verdict == Verdict::Success;
        if current || late_probe {
            self.record(config, verdict, now);
        }
    }

    /// Reports an outcome without saying of which call. While half-open it counts as that of a probe.
    pub fn record(&mut self, config: &BreakerConfig, verdict: Verdict, now: Duration) {
        match (self.phase, verdict) {
            (BreakerPhase::Open, _) | (BreakerPhase::Closed, Verdict::Unknown) => {}
            (BreakerPhase::Closed, Verdict::Success) => self.calls = 0,
            (BreakerPhase::Closed, Verdict::Failure) => {
                self.calls = self.calls.saturating_add(1).min(BreakerConfig::MAX_CALLS);
                if self.calls >= config.failure_threshold {
                    self.enter(BreakerPhase::Open, now);
                }
            }
            (BreakerPhase::HalfOpen, Verdict::Unknown) => self.calls = self.calls.saturating_sub(1),
            (BreakerPhase::HalfOpen, Verdict::Failure) => self.enter(BreakerPhase::Open, now),
            (BreakerPhase::HalfOpen, Verdict::Success) => {
                self.calls = self.calls.saturating_sub(1);
                self.successes = self.successes.saturating_add(1).min(BreakerConfig::MAX_SUCCESSES);
                if self.successes >= config.success_threshold {
                    self.enter(BreakerPhase::Closed, now);
                }
            }
        }
    }

    /// A breaker that is open stays open for at least `wait` from now, because the destination has asked for that; for
    /// [`MOST_WINDOWS`](Self::MOST_WINDOWS) recovery timeouts at most.
    pub fn postpone(&mut self, config: &BreakerConfig, wait: Duration, now: Duration) {
        if self.phase != BreakerPhase::Open {
            return;
        }
        let most = config.recovery_timeout.saturating_mul(Self::MOST_WINDOWS);
        let since = now.saturating_add(wait.min(most)).saturating_sub(config.recovery_timeout);
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.since_ms = since_ms.max(self.since_ms).min((1 << Self::SINCE_BITS) - 1);
    }

    /// Closes it, whatever it was.
    pub fn reset(&mut self, now: Duration) {
        self.enter(BreakerPhase::Closed, now);
    }

    fn enter(&mut self, phase: BreakerPhase, now: Duration) {
        // Two phases of one kind never begin in the same millisecond as far as a passage can tell.
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        // No passage tells of an open phase, so what has been postponed may be forgotten.
        let postponed = self.phase == BreakerPhase::Open && self.since_ms > now_ms;
        let before = if postponed { now_ms.saturating_add(1) } else { self.since_ms };
        let since_ms = now_ms.max(before.saturating_add(u64::from(phase == BreakerPhase::Closed)));
        *self = Self { phase, calls: 0, successes: 0, since_ms: since_ms & ((1 << Self::SINCE_BITS) - 1) };
    }

    /// The state as one word.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        let phase = match self.phase {
            BreakerPhase::Closed => 0,
            BreakerPhase::Open => 1,
            BreakerPhase::HalfOpen => 2,
        };
        (((phase << Self::CALL_BITS | self.calls as u64) << Self::SUCCESS_BITS | self.successes as u64)
            << Self::SINCE_BITS)
            | self.since_ms
    }

    /// The state of a word made by [`to_bits`](Self::to_bits).
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to fewer bits than the type has")]
    pub const fn from_bits(bits: u64) -> Self {
        const fn low(bits: u64, count: u32) -> u64 {
            bits & ((1 << count) - 1)
        }
        let above = bits >> Self::SINCE_BITS;
        Self {
            phase: match above >> (Self::SUCCESS_BITS + Self::CALL_BITS) {
                0 => BreakerPhase::Closed,
                1 => BreakerPhase::Open,
                _ => BreakerPhase::HalfOpen,
            },
            calls: low(above >> Self::SUCCESS_BITS, Self::CALL_BITS) as u16,
            successes: low(above, Self::SUCCESS_BITS) as u16,
            since_ms: low(bits, Self::SINCE_BITS),
        }
    }
}
