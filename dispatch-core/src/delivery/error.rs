use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::policy::{Failure, History, Refusal, RefusedBy};
use crate::redact::Sanitizer;

/// Why a delivery failed, and what may be done next.
///
/// The text is sanitised when the error is made, so it can be logged and stored as it is. It is not copied from
/// the source: name what an operator has to know, and attach the rest with
/// [`with_source`](Self::with_source).
pub struct DeliveryError(Box<Parts>);

struct Parts {
    kind: DeliveryErrorKind,
    message: String,
    refusal: Option<Refusal>,
    history: Option<History>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What may be done after a failed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// Trying again cannot help.
    Permanent,
    /// Trying again may help.
    Retry,
    /// Trying again may help, not before this delay.
    RetryAfter(Duration),
    /// The destination wants nothing more.
    Disabled,
}

impl DeliveryErrorKind {
    /// As it is written in logs, metrics and dead letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Retry => "retry",
            Self::RetryAfter(_) => "retry_after",
            Self::Disabled => "disabled",
        }
    }

    /// What may be done after several failures: trying again may help if it may help one of them, after the longest delay
    /// that was asked for; nothing more is wanted if none of them wants more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dispatch_core::delivery::DeliveryErrorKind::{self, *};
    ///
    /// let after = |seconds| RetryAfter(Duration::from_secs(seconds));
    /// assert_eq!(DeliveryErrorKind::together([Retry, after(1), Disabled, after(2)]), after(2));
    /// assert_eq!(DeliveryErrorKind::together([Disabled, Permanent]), Permanent);
    /// ```
    #[must_use]
    pub fn together(kinds: impl IntoIterator<Item = Self>) -> Self {
        let (mut wait, mut retry, mut disabled) = (None::<Duration>, false, true);
        for kind in kinds {
            disabled &= kind == Self::Disabled;
            match kind {
                Self::RetryAfter(asked) => wait = wait.max(Some(asked)),
                Self::Retry => retry = true,
                Self::Permanent | Self::Disabled => {}
            }
        }
        match (wait, retry, disabled) {
            (Some(wait), ..) => Self::RetryAfter(wait),
            (None, true, _) => Self::Retry,
            (None, false, true) => Self::Disabled,
            (None, false, false) => Self::Permanent,
        }
    }
}

impl DeliveryError {
    /// An error of a kind.
    pub fn new(kind: DeliveryErrorKind, message: impl AsRef<str>) -> Self {
        let message = Sanitizer::default().sanitize_text(message.as_ref());
        Self(Box::new(Parts { kind, message, refusal: None, history: None, source: None }))
    }

    /// Trying again cannot help.
    pub fn permanent(message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::Permanent, message)
    }

    /// Trying again may help.
    pub fn retry(message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::Retry, message)
    }

    /// Trying again may help, not before this delay.
    pub fn retry_after(delay: Duration, message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::RetryAfter(delay), message)
    }

    /// The destination wants nothing more.
    pub fn disabled(message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::Disabled, message)
    }

    /// Keeps the error this one was made from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says that nothing was sent, because of a limit on our side: no circuit breaker counts it, and nothing is
    /// dead-lettered for it.
    ///
    /// ```
    /// use dispatch_core::delivery::DeliveryError;
    /// use dispatch_core::policy::{Failure, Refusal, RefusedBy};
    ///
    /// let refusal = Refusal {
    ///     by: RefusedBy::PoolExhausted, service: "crm".into(), transport: "grpc".into(), retry_in: None,
    /// };
    /// let error = DeliveryError::retry("no channel was free: raise channels").with_refusal(refusal);
    /// assert!(!error.is_fault() && error.is_worth_retrying());
    /// assert_eq!(error.to_string(), "no channel was free: raise channels");
    /// ```
    #[must_use]
    pub fn with_refusal(mut self, refusal: Refusal) -> Self {
        self.0.refusal = Some(refusal);
        self
    }

    /// What may be done next.
    #[must_use]
    pub const fn kind(&self) -> DeliveryErrorKind {
        self.0.kind
    }

    /// The text, sanitised.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.0.kind, DeliveryErrorKind::Retry | DeliveryErrorKind::RetryAfter(_))
    }

    /// The policy that did not let the delivery through, if that is what happened. Nothing was sent, unless
    /// [`history`](Self::history) tells of attempts before.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref()
    }

    /// What was tried, if there was a retry policy.
    #[must_use]
    pub const fn history(&self) -> Option<&History> {
        self.0.history.as_ref()
    }

    /// One error for an envelope that failed in some of its `parts`, with the error of each of those. It says what may be
    /// done for them [together](DeliveryErrorKind::together), and that the destination wants nothing more only if every part
    /// says so. It is a refusal if all of them are; and if those that may be tried again had no connection of ours
    /// ([`RefusedBy::PoolExhausted`]), also beside others that failed for good: that is no reason to blame the destination.
    /// The first error is its source.
    ///
    /// ```
    /// use dispatch_core::delivery::DeliveryError;
    /// use dispatch_core::policy::{Failure, Refusal, RefusedBy};
    ///
    /// let by = RefusedBy::PoolExhausted;
    /// let refusal = Refusal { by, service: "crm".into(), transport: "http".into(), retry_in: None };
    /// let errors = vec![DeliveryError::permanent("not valid"), DeliveryError::refused(refusal)];
    /// let error = DeliveryError::together("2 of 2 failed", errors, 2);
    /// assert!(!error.is_fault() && error.is_worth_retrying());
    /// ```
    #[must_use]
    pub fn together(message: impl AsRef<str>, errors: Vec<Self>, parts: usize) -> Self {
        let kind = match DeliveryErrorKind::together(errors.iter().map(Self::kind)) {
            DeliveryErrorKind::Disabled if errors.len() < parts => DeliveryErrorKind::Permanent,
            kind => kind,
        };
        let is_ours = |error: &Self| error.refusal().is_some_and(|it| it.by == RefusedBy::PoolExhausted);
        let mut hopeful = errors.iter().filter(|error| error.is_retryable());
        // What may be tried again says how long to wait, and by whom it was refused.
        let first = hopeful.next();
        let is_refusal = errors.iter().all(|error| error.refusal().is_some())
            || first.is_some_and(is_ours) && hopeful.all(is_ours);
        let telling = first.or(errors.first()).filter(|_| is_refusal);
        let refusal = telling.and_then(Self::refusal).cloned();
        let mut error = Self::new(kind, message);
        error.0.refusal = refusal;
        match errors.into_iter().next() {
            Some(first) => error.with_source(first),
            None => error,
        }
    }

    /// The same error again, without its source: for a batch that failed as a whole.
    #[must_use]
    pub fn repeat(&self) -> Self {
        let Parts { kind, message, refusal, history, source: _ } = &*self.0;
        Self(Box::new(Parts {
            kind: *kind,
            message: message.clone(),
            refusal: refusal.clone(),
            history: history.clone(),
            source: None,
        }))
    }
}

impl Failure for DeliveryError {
    fn kind(&self) -> DeliveryErrorKind {
        self.0.kind
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref()
    }

    fn text(&self) -> String {
        self.0.message.clone()
    }

    fn refused(refusal: Refusal) -> Self {
        let kind = match refusal.by {
            RefusedBy::Disabled => DeliveryErrorKind::Disabled,
            _ => refusal.retry_in.map_or(DeliveryErrorKind::Retry, DeliveryErrorKind::RetryAfter),
        };
        // The text is ours; the name of a service may well look like a secret.
        let message = refusal.to_string();
        Self(Box::new(Parts { kind, message, refusal: Some(refusal), history: None, source: None }))
    }

    fn timed_out(limit: Duration) -> Self {
        Self::retry(format!("no answer within {} ms", limit.as_millis()))
    }

    fn panicked(text: &str) -> Self {
        Self::retry(format!("the adapter panicked: {text}"))
    }

    fn history(&self) -> Option<&History> {
        self.0.history.as_ref()
    }

    fn with_history(mut self, history: History) -> Self {
        self.0.history = Some(history);
        self
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for DeliveryError {
    /// Leaves the source out: its text is not sanitised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl StdError for DeliveryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_ours_is_kept_and_one_for_good_speaks_for_nobody_else() {
        use RefusedBy::{CircuitOpen, Disabled, PoolExhausted};
        let refused = |by| {
            let retry_in = None;
            DeliveryError::refused(Refusal { by, service: "s".into(), transport: "t".into(), retry_in })
        };
        let (bad, down) =
            (|| DeliveryError::permanent("not valid"), || DeliveryError::retry("does not answer"));
        let together = |errors: [DeliveryError; 2]| {
            DeliveryError::together("both", errors.into(), 2).refusal().map(|refusal| refusal.by)
        };
        assert_eq!(together([refused(CircuitOpen), refused(PoolExhausted)]), Some(CircuitOpen));
        assert_eq!(together([refused(Disabled), refused(CircuitOpen)]), Some(CircuitOpen));
        assert_eq!(together([bad(), refused(PoolExhausted)]), Some(PoolExhausted));
        assert_eq!(together([down(), refused(PoolExhausted)]), None, "a fault of the destination");
        assert_eq!(together([bad(), refused(CircuitOpen)]), None, "with what was sent it is a failure");
        assert_eq!(together([refused(Disabled), bad()]), None);
        assert_eq!(together([bad(), bad()]), None);
    }
}
