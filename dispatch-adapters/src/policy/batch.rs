//! A batch as one call.

use std::time::Duration;

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind, Receipt};
use dispatch_core::policy::{Failure, History, Refusal};

type Results = Vec<Result<Receipt, DeliveryError>>;

/// The error of a batch in which everything failed, or which was not let through.
pub(super) struct BatchFailed {
    error: DeliveryError,
    results: Option<Results>,
    history: Option<History>,
}

/// What is wrong with results that do not fit their batch.
pub(crate) fn wrong_count(name: &str, got: usize, wanted: usize) -> String {
    format!("adapter '{name}' answered {got} results for {wanted} envelopes: it must answer one for each")
}

/// Whether a batch of so many counts as a success of its destination: only if that has taken something. What was refused on
/// this side says nothing about it. Of several faults the longest delay that was asked for counts.
///
/// Results that do not fit the batch are a fault of all of it: which of them were delivered cannot be told.
pub(super) fn judge(name: &str, results: Results, wanted: usize) -> Result<Results, BatchFailed> {
    if results.len() != wanted {
        let problem = wrong_count(name, results.len(), wanted);
        tracing::error!(adapter = name, problem, "a batch failed as a whole");
        return Err(BatchFailed::of(DeliveryError::retry(problem)));
    }
    if results.is_empty() || results.iter().any(Result::is_ok) {
        return Ok(results);
    }
    let errors = || results.iter().filter_map(|result| result.as_ref().err());
    let delay = |error: &&DeliveryError| match error.kind() {
        DeliveryErrorKind::RetryAfter(delay) => delay,
        _ => Duration::ZERO,
    };
    let fault = errors().filter(|error| error.is_fault()).max_by_key(delay);
    let telling = fault.or_else(|| errors().find(|error| error.refusal().is_some()));
    match telling.or_else(|| errors().next()).map(DeliveryError::repeat) {
        Some(error) => Err(BatchFailed { error, results: Some(results), history: None }),
        None => Ok(results),
    }
}

impl BatchFailed {
    /// One result for each envelope, with what was tried.
    pub(super) fn into_results(self, count: usize) -> Results {
        let results = self.results.unwrap_or_else(|| (0..count).map(|_| Err(self.error.repeat())).collect());
        let Some(history) = self.history else {
            return results;
        };
        let told = |result: Result<Receipt, DeliveryError>| {
            result.map_err(|error| error.with_history(history.clone()))
        };
        results.into_iter().map(told).collect()
    }

    fn of(error: DeliveryError) -> Self {
        Self { error, results: None, history: None }
    }
}

impl Failure for BatchFailed {
    fn kind(&self) -> DeliveryErrorKind {
        self.error.kind()
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.error.refusal()
    }

    fn text(&self) -> String {
        self.error.text()
    }

    fn refused(refusal: Refusal) -> Self {
        Self::of(DeliveryError::refused(refusal))
    }

    fn timed_out(limit: Duration) -> Self {
        Self::of(DeliveryError::timed_out(limit))
    }

    fn panicked(text: &str) -> Self {
        Self::of(DeliveryError::panicked(text))
    }

    fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    fn with_history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_that_was_refused_on_this_side_does_not_vouch_for_the_destination() {
        let results = || vec![Err(DeliveryError::permanent("too long")), Err(DeliveryError::retry("away"))];
        let failed = judge("mail", results(), 2).err().unwrap();
        assert!(failed.is_fault());
        assert_eq!(
            failed.into_results(2)[0].as_ref().unwrap_err().message(),
            "too long",
            "each keeps its own"
        );
        let nothing_sent = judge("mail", vec![Err(DeliveryError::permanent("too long"))], 1).err().unwrap();
        assert!(!nothing_sent.is_fault(), "neither a success nor a failure");
        assert!(judge("mail", vec![Err(DeliveryError::retry("away")), Ok(Receipt::taken())], 2).is_ok());
    }

    #[test]
    fn results_that_do_not_fit_the_batch_are_a_fault() {
        for results in [vec![], vec![Ok(Receipt::taken())]] {
            let results = judge("mail", results, 2).err().filter(Failure::is_fault).unwrap().into_results(2);
            assert!(results.len() == 2 && results.iter().all(Result::is_err));
        }
        assert!(judge("mail", vec![], 0).is_ok());
    }
}
