use std::time::Duration;

use crate::dispatcher::{Output, Outputs, RetryAdvice};
use crate::ids::{DispatcherId, RouteId};

use super::DispatchStatus;

/// A dispatcher that was chosen, and the route that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The dispatcher.
    pub dispatcher_id: DispatcherId,
    /// The first route that led to it; absent for a dispatcher that takes its whole category.
    pub route_id: Option<RouteId>,
}

/// How one dispatcher's part of a dispatch ended.
///
/// `Success`, `DispatcherError` or `Timeout`; `Routed` while it has not ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Boxed, because most outcomes have none and a dispatch may have many outcomes.
    detail: Option<Box<Detail>>,
    duration: Duration,
    status: DispatchStatus,
    panicked: bool,
    fallback: bool,
}

#[derive(Debug, Clone)]
enum Detail {
    Outputs(Vec<Output>),
    Error { text: Box<str>, advice: RetryAdvice },
}

impl Outcome {
    /// The dispatcher has not answered yet.
    #[must_use]
    pub const fn pending() -> Self {
        Self {
            detail: None,
            duration: Duration::ZERO,
            status: DispatchStatus::Routed,
            panicked: false,
            fallback: false,
        }
    }

    /// The dispatcher succeeded.
    #[must_use]
    #[inline]
    pub fn success(outputs: Outputs, duration: Duration) -> Self {
        let fallback = outputs.is_fallback();
        let detail = (!outputs.is_empty()).then(|| Box::new(Detail::Outputs(outputs.into_vec())));
        Self { detail, duration, status: DispatchStatus::Success, panicked: false, fallback }
    }

    /// The dispatcher returned outputs: a success, unless they are more than it may return.
    #[must_use]
    pub fn answered(outputs: Outputs, max_outputs: usize, duration: Duration) -> Self {
        if outputs.len() <= max_outputs {
            return Self::success(outputs, duration);
        }
        let returned = outputs.len();
        Self::error(
            format!("too many outputs: {returned} were returned, max_outputs is {max_outputs}"),
            duration,
        )
    }

    /// The dispatcher failed; `error` is already sanitised, as in `IoError: disk full`.
    #[must_use]
    pub fn error(error: impl Into<Box<str>>, duration: Duration) -> Self {
        Self {
            detail: Some(Box::new(Detail::Error { text: error.into(), advice: RetryAdvice::ByPolicy })),
            duration,
            status: DispatchStatus::DispatcherError,
            panicked: false,
            fallback: false,
        }
    }

    /// Says what the dispatcher knows about trying again. It is in no JSON: whoever reads a result that was written
    /// goes by policy.
    #[must_use]
    pub fn with_advice(mut self, given: RetryAdvice) -> Self {
        if let Some(Detail::Error { advice, .. }) = self.detail.as_deref_mut() {
            *advice = given;
        }
        self
    }

    /// The dispatcher panicked; `error` is already sanitised, as in `panicked: index out of range`.
    #[must_use]
    pub fn panicked(error: impl Into<Box<str>>, duration: Duration) -> Self {
        Self { panicked: true, ..Self::error(error, duration) }
    }

    /// The dispatcher did not answer within `limit`.
    #[must_use]
    pub fn timeout(limit: Duration, duration: Duration) -> Self {
        Self {
            status: DispatchStatus::Timeout,
            ..Self::error(format!("timed out after {} ms", limit.as_millis()), duration)
        }
    }

    /// How it ended.
    #[must_use]
    pub const fn status(&self) -> DispatchStatus {
        self.status
    }

    /// Whether the error was a panic.
    #[must_use]
    pub const fn is_panic(&self) -> bool {
        self.panicked
    }

    /// Whether it is a success only because a fallback took the envelope: that of a delivery, or that of
    /// [`Outputs::from_fallback`].
    #[must_use]
    pub const fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// What it emitted; empty unless it succeeded.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        match self.detail.as_deref() {
            Some(Detail::Outputs(outputs)) => outputs,
            _ => &[],
        }
    }

    /// What went wrong, sanitised.
    #[must_use]
    pub fn error_message(&self) -> Option<&str> {
        match self.detail.as_deref() {
            Some(Detail::Error { text, .. }) => Some(text),
            _ => None,
        }
    }

    /// What the dispatcher knows about trying again, if it failed.
    #[must_use]
    pub fn advice(&self) -> RetryAdvice {
        match self.detail.as_deref() {
            Some(Detail::Error { advice, .. }) => *advice,
            _ => RetryAdvice::ByPolicy,
        }
    }

    /// From the moment it was handed the envelope to its answer.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    pub(super) fn into_outputs(self) -> Vec<Output> {
        match self.detail.map(|detail| *detail) {
            Some(Detail::Outputs(outputs)) => outputs,
            _ => Vec::new(),
        }
    }

    pub(super) fn restored(
        status: DispatchStatus,
        outputs: Vec<Output>,
        error: Option<Box<str>>,
        duration: Duration,
        fallback: bool,
    ) -> Self {
        let detail = match error {
            Some(text) => Detail::Error { text, advice: RetryAdvice::ByPolicy },
            None => Detail::Outputs(outputs),
        };
        Self { detail: Some(Box::new(detail)), duration, status, panicked: false, fallback }
    }
}

/// An [`Outcome`] together with whose it is.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeOf<'a> {
    leg: &'a Leg,
    outcome: &'a Outcome,
}

impl<'a> OutcomeOf<'a> {
    pub(super) const fn new((leg, outcome): (&'a Leg, &'a Outcome)) -> Self {
        Self { leg, outcome }
    }

    /// The dispatcher.
    #[must_use]
    pub const fn dispatcher_id(&self) -> &'a DispatcherId {
        &self.leg.dispatcher_id
    }

    /// The route that led to it.
    #[must_use]
    pub const fn route_id(&self) -> Option<&'a RouteId> {
        self.leg.route_id.as_ref()
    }
}

impl std::ops::Deref for OutcomeOf<'_> {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topic::Topic;

    proptest! {
        #[test]
        fn all_outputs_of_a_dispatcher_stand_or_none(returned in 0usize..20, max_outputs in 0usize..20) {
            let output = Output::on(Topic::new("a.events").unwrap()).unwrap();
            let outputs = Outputs::from(vec![output; returned]);
            let outcome = Outcome::answered(outputs, max_outputs, Duration::ZERO);
            if returned <= max_outputs {
                prop_assert_eq!(outcome.status(), DispatchStatus::Success);
                prop_assert_eq!(outcome.outputs().len(), returned);
            } else {
                prop_assert_eq!(outcome.status(), DispatchStatus::DispatcherError);
                prop_assert!(outcome.outputs().is_empty());
                let text = format!("too many outputs: {returned} were returned, max_outputs is {max_outputs}");
                prop_assert_eq!(outcome.error_message(), Some(text.as_str()));
            }
        }
    }
}
