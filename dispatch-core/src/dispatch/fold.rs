//! Folds the outcomes of a dispatch into one status and one error, in rank order.
//!
//! - Any error makes the dispatch `DispatcherError`, else any timeout makes it `Timeout`, else it is `Success`.
//! - The messages of all errors and timeouts are joined by `; ` in rank order, whatever the order in which the
//!   dispatchers answered.

use std::fmt::Write as _;

use super::outcome::{Leg, Outcome};
use super::{DispatchStatus, Failure};
use crate::error::ErrorCode;

/// The status and the error of a dispatch whose dispatchers have all answered.
#[must_use]
pub fn fold(legs: &[Leg], outcomes: &[Outcome]) -> (DispatchStatus, Option<Box<Failure>>) {
    if outcomes.iter().all(|outcome| outcome.status().is_successful()) {
        return (DispatchStatus::Success, None);
    }
    let failed = outcomes.iter().any(|outcome| outcome.status() == DispatchStatus::DispatcherError);
    let (status, code) = if failed {
        (DispatchStatus::DispatcherError, ErrorCode::HandlerExecutionError)
    } else {
        (DispatchStatus::Timeout, ErrorCode::Timeout)
    };
    let mut message = String::new();
    for (leg, outcome) in legs.iter().zip(outcomes) {
        let Some(error) = outcome.error_message() else { continue };
        let separator = if message.is_empty() { "" } else { "; " };
        let verb = if outcome.status() == DispatchStatus::DispatcherError { "failed: " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(message, "{separator}Dispatcher '{}' {verb}{error}", leg.dispatcher_id);
    }
    (status, Some(Box::new(Failure { code, message })))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dispatcher::Outputs;

    const NONE: Duration = Duration::ZERO;

    fn legs(n: usize) -> Vec<Leg> {
        (0..n).map(|i| Leg { dispatcher_id: format!("d{i}").into(), route_id: None }).collect()
    }

    #[test]
    fn an_error_outweighs_a_timeout_and_both_are_named() {
        let outcomes = [
            Outcome::timeout(Duration::from_millis(100), NONE),
            Outcome::success(Outputs::none(), NONE),
            Outcome::error("ValueError: boom", NONE),
        ];
        let (status, failure) = fold(&legs(3), &outcomes);
        let failure = failure.unwrap();
        assert_eq!(
            (status, failure.code),
            (DispatchStatus::DispatcherError, ErrorCode::HandlerExecutionError)
        );
        assert_eq!(
            failure.message,
            "Dispatcher 'd0' timed out after 100 ms; Dispatcher 'd2' failed: ValueError: boom"
        );
    }

    #[test]
    fn no_outcome_is_a_success() {
        assert!(fold(&[], &[]).0.is_successful());
    }
}
