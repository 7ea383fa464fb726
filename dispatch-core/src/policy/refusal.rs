use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::delivery::DeliveryErrorKind;

/// Why a call was not let through: the destination was not asked.
///
/// Where a policy refused, no attempt was made either. An adapter whose own pool of connections was exhausted
/// ([`RefusedBy::PoolExhausted`]) had begun one, and a retry policy counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which policy refused.
    pub by: RefusedBy,
    /// What the policy protects.
    pub service: Arc<str>,
    /// How the service is reached, such as `webhook`.
    pub transport: Arc<str>,
    /// When it makes sense to come again; `None` if that cannot be said.
    pub retry_in: Option<Duration>,
}

/// The policies that refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusedBy {
    /// The circuit breaker is open, and as much work as may be held is held already.
    CircuitOpen,
    /// Too many wait for the rate limit.
    RateLimit,
    /// Too many wait for a place in flight.
    InFlightLimit,
    /// The queue or batch in front of the destination is full, or a call has waited in it for too long.
    QueueFull,
    /// The destination was shut down.
    Stopped,
    /// Every connection of the pool was in use for too long. This alone is tried again by a retry policy.
    PoolExhausted,
    /// The destination has said before that it wants nothing more. This alone is for good.
    Disabled,
}

impl RefusedBy {
    /// Every policy that refuses.
    pub const ALL: [Self; 7] = [
        Self::CircuitOpen,
        Self::RateLimit,
        Self::InFlightLimit,
        Self::QueueFull,
        Self::Stopped,
        Self::PoolExhausted,
        Self::Disabled,
    ];

    /// As it is written in logs, metrics and errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::RateLimit => "rate_limit",
            Self::InFlightLimit => "in_flight_limit",
            Self::QueueFull => "queue_full",
            Self::Stopped => "stopped",
            Self::PoolExhausted => "pool_exhausted",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (service, transport) = (&self.service, &self.transport);
        match self.by {
            RefusedBy::CircuitOpen => write!(f, "the circuit breaker of {service} ({transport}) is open"),
            RefusedBy::RateLimit => {
                write!(f, "too much work waits for the rate limit of {service} ({transport})")
            }
            RefusedBy::InFlightLimit => {
                write!(f, "too many calls of {service} ({transport}) wait for their turn")
            }
            RefusedBy::QueueFull => {
                write!(f, "the queue of {service} ({transport}) is full, or was waited in for too long")
            }
            RefusedBy::Stopped => write!(f, "{service} ({transport}) has been shut down"),
            RefusedBy::PoolExhausted => {
                write!(f, "no connection to {service} ({transport}) was free in time")
            }
            RefusedBy::Disabled => {
                write!(f, "{service} ({transport}) wants nothing more; enable() delivers to it again")
            }
        }?;
        match self.retry_in {
            Some(wait) => write!(f, ": try again in {} ms", wait.as_micros().div_ceil(1000)),
            None => Ok(()),
        }
    }
}

/// What was tried before a call failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Attempts that were made.
    pub attempts: u32,
    /// What the first attempt failed with, sanitised.
    pub first_error: String,
    /// When the first attempt failed.
    #[serde(with = "crate::time::rfc3339")]
    pub first_failed_at: SystemTime,
    /// When the last attempt failed.
    #[serde(with = "crate::time::rfc3339")]
    pub last_failed_at: SystemTime,
}

impl History {
    /// Of one attempt, that failed at `at`.
    #[must_use]
    pub fn once(error: impl Into<String>, at: SystemTime) -> Self {
        Self { attempts: 1, first_error: error.into(), first_failed_at: at, last_failed_at: at }
    }

    /// All of it, where `earlier` was tried before.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use dispatch_core::policy::History;
    ///
    /// let one = |error, second| History::once(error, SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    /// let both = one("still down", 9).after(&one("down", 5));
    /// assert_eq!((both.attempts, both.first_error.as_str()), (2, "down"));
    /// assert!(both.first_failed_at < both.last_failed_at);
    /// ```
    #[must_use]
    pub fn after(self, earlier: &Self) -> Self {
        Self {
            attempts: earlier.attempts.saturating_add(self.attempts),
            last_failed_at: self.last_failed_at,
            ..earlier.clone()
        }
    }

    /// With one more attempt, that failed at `at`.
    #[must_use]
    pub fn with_failure(self, at: SystemTime) -> Self {
        Self { attempts: self.attempts.saturating_add(1), last_failed_at: at, ..self }
    }
}

/// An error that policies can read, and can make.
///
/// Policies go around anything that fails with such an error: adapters, dispatchers and plain futures.
pub trait Failure: Sized + Send {
    /// What may be done next.
    fn kind(&self) -> DeliveryErrorKind;

    /// The refusal, if a policy further inside made this error.
    fn refusal(&self) -> Option<&Refusal>;

    /// The text, sanitised.
    fn text(&self) -> String;

    /// The error of a call that a policy did not let through.
    fn refused(refusal: Refusal) -> Self;

    /// The error of an attempt that took too long.
    fn timed_out(limit: Duration) -> Self;

    /// The error of an attempt that panicked.
    fn panicked(text: &str) -> Self;

    /// What was tried, if there was a retry policy.
    fn history(&self) -> Option<&History>;

    /// Adds what was tried.
    #[must_use]
    fn with_history(self, history: History) -> Self;

    /// Whether a retry policy makes another attempt: after a fault of the destination, and where it was not asked for want
    /// of a connection of our own.
    fn is_worth_retrying(&self) -> bool {
        self.is_fault() || self.refusal().is_some_and(|refusal| refusal.by == RefusedBy::PoolExhausted)
    }

    /// Whether the destination has failed, and may do better later.
    fn is_fault(&self) -> bool {
        self.refusal().is_none()
            && matches!(self.kind(), DeliveryErrorKind::Retry | DeliveryErrorKind::RetryAfter(_))
    }
}
