use dispatch_core::delivery::DeliveryErrorKind;
use dispatch_core::policy::BreakerPhase;
use serde::{Deserialize, Serialize};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The destination has taken it.
    Delivered,
    /// Trying again cannot help.
    Permanent,
    /// Trying again may help.
    Retry,
    /// Trying again may help, after a delay that the destination named.
    RetryAfter,
    /// The destination wants nothing more.
    Disabled,
    /// There was no answer in time. It may be tried again, but it is not also counted as `Retry`.
    TimedOut,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Delivered, Self::Permanent, Self::Retry, Self::RetryAfter, Self::Disabled, Self::TimedOut];

    /// The name used in metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Permanent => "permanent",
            Self::Retry => "retry",
            Self::RetryAfter => "retry_after",
            Self::Disabled => "disabled",
            Self::TimedOut => "timed_out",
        }
    }

    /// The outcome of a failure that was no time-out.
    pub(super) const fn failed(kind: DeliveryErrorKind) -> Self {
        match kind {
            DeliveryErrorKind::Retry => Self::Retry,
            DeliveryErrorKind::RetryAfter(_) => Self::RetryAfter,
            DeliveryErrorKind::Disabled => Self::Disabled,
            // Of a kind that is not known it cannot be said that trying again may help.
            _ => Self::Permanent,
        }
    }
}

/// Number of attempts per outcome; a batch is one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptMetrics {
    /// The destination has taken it.
    pub delivered: u64,
    /// Trying again cannot help.
    pub permanent: u64,
    /// Trying again may help.
    pub retry: u64,
    /// Trying again may help, after a delay that the destination named.
    pub retry_after: u64,
    /// The destination wants nothing more.
    pub disabled: u64,
    /// There was no answer in time.
    pub timed_out: u64,
}

impl AttemptMetrics {
    /// The number of one outcome.
    #[must_use]
    pub const fn get(&self, outcome: AttemptOutcome) -> u64 {
        match outcome {
            AttemptOutcome::Delivered => self.delivered,
            AttemptOutcome::Permanent => self.permanent,
            AttemptOutcome::Retry => self.retry,
            AttemptOutcome::RetryAfter => self.retry_after,
            AttemptOutcome::Disabled => self.disabled,
            AttemptOutcome::TimedOut => self.timed_out,
        }
    }

    /// The attempts that ended with an outcome.
    #[must_use]
    pub fn total(&self) -> u64 {
        AttemptOutcome::ALL.iter().fold(0, |sum, outcome| self.get(*outcome).saturating_add(sum))
    }
}

/// Number of envelopes that failed for good, by what may still be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureMetrics {
    /// Trying again could not have helped.
    pub permanent: u64,
    /// Every attempt failed in a way that may pass.
    pub retry: u64,
    /// The last attempt was told to come again later than it may.
    pub retry_after: u64,
    /// The destination wants nothing more.
    pub disabled: u64,
}

impl FailureMetrics {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.permanent
            .saturating_add(self.retry)
            .saturating_add(self.retry_after)
            .saturating_add(self.disabled)
    }

    /// Name and number of each kind.
    pub(crate) const fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            (AttemptOutcome::Permanent.as_str(), self.permanent),
            (AttemptOutcome::Retry.as_str(), self.retry),
            (AttemptOutcome::RetryAfter.as_str(), self.retry_after),
            (AttemptOutcome::Disabled.as_str(), self.disabled),
        ]
    }
}

/// The circuit breaker of a destination. One that never changed, and one that is not there, is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerMetrics {
    /// The phase it is in; a reset leaves this alone.
    pub phase: BreakerPhase,
    /// How often it has opened.
    pub opened: u64,
    /// How often it has begun to find out whether the destination works again.
    pub half_opened: u64,
    /// How often it has closed.
    pub closed: u64,
}

impl Default for BreakerMetrics {
    fn default() -> Self {
        Self { phase: BreakerPhase::Closed, opened: 0, half_opened: 0, closed: 0 }
    }
}

impl BreakerMetrics {
    /// How often it has changed to a phase.
    #[must_use]
    pub const fn transitions(&self, to: BreakerPhase) -> u64 {
        match to {
            BreakerPhase::Open => self.opened,
            BreakerPhase::HalfOpen => self.half_opened,
            BreakerPhase::Closed => self.closed,
        }
    }
}
