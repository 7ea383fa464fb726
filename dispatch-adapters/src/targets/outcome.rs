use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use dispatch_core::delivery::{DeliveryError, Receipt};
use dispatch_core::policy::{Failure as _, History};

/// What became of an envelope at one of several targets.
#[derive(Debug)]
#[non_exhaustive]
pub struct TargetOutcome {
    /// Position of the target in the list.
    pub index: usize,
    /// Name of the target.
    pub target: Arc<str>,
    /// What it answered.
    pub result: Result<Receipt, DeliveryError>,
}

impl TargetOutcome {
    /// Whether the target has taken the envelope.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.result.is_ok()
    }
}

/// One result of many: the receipt of the only one, or an error that names those that failed. It is a refusal if nothing
/// was sent to any of these, or to any of these that may be tried again for want of a connection; its history tells of the
/// attempt if others were asked.
pub(super) fn fold(outcomes: Vec<TargetOutcome>, now: SystemTime) -> Result<Receipt, DeliveryError> {
    /// A thousand failures must not make a text of a megabyte.
    const NAMED: usize = 5;
    let count = outcomes.len();
    let (mut receipts, mut failed) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome.result {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => failed.push((outcome.target, error)),
        }
    }
    if failed.is_empty() {
        let only = if count == 1 { receipts.pop() } else { None };
        return Ok(only.unwrap_or_default());
    }
    let mut text = format!("{} of {count} targets failed: ", failed.len());
    for (number, (target, error)) in failed.iter().take(NAMED).enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{target}: {error}");
    }
    if failed.len() > NAMED {
        let _ = write!(text, "; and {} more", failed.len() - NAMED);
    }
    let is_sent = !receipts.is_empty() || failed.iter().any(|(_, error)| error.refusal().is_none());
    let error = DeliveryError::together(text, failed.into_iter().map(|(_, error)| error).collect(), count);
    if error.refusal().is_none() || !is_sent {
        return Err(error);
    }
    let history = History::once(error.message(), now);
    Err(error.with_history(history))
}
