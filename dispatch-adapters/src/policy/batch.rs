//! A batch as one call.

use std::time::Duration;

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind, Receipt};
use dispatch_core::policy::{Failure, History, Refusal};

type Results = Vec<Result<Receipt, DeliveryError>>;

/// The error of a batch in which everything failed, or which was not let through.
pub(super) struct BatchFailed {
    error: DeliveryError,
    results: Option<Results>,
}

/// Whether a batch counts as a failure of its destination.
pub(super) fn judge(results: Results) -> Result<Results, BatchFailed> {
    let errors = || results.iter().filter_map(|result| result.as_ref().err());
    // Where nothing was sent, nothing was found out.
    let unanswered = |error: &&DeliveryError| error.is_fault() || error.refusal().is_some();
    if errors().filter(unanswered).count() < results.len() {
        return Ok(results);
    }
    match errors().find(|error| error.is_fault()).or_else(|| errors().next()).map(DeliveryError::repeat) {
        Some(error) => Err(BatchFailed { error, results: Some(results) }),
        None => Ok(results),
    }
}

impl BatchFailed {
    /// One result for each envelope.
    pub(super) fn into_results(self, count: usize) -> Results {
        self.results.unwrap_or_else(|| (0..count).map(|_| Err(self.error.repeat())).collect())
    }

    fn of(error: DeliveryError) -> Self {
        Self { error, results: None }
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

    fn with_history(mut self, history: History) -> Self {
        self.error = self.error.with_history(history);
        self
    }
}
