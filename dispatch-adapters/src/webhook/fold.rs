use std::sync::Arc;
use std::time::Duration;

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind, Receipt};

/// What became of a webhook at one of its URLs.
#[derive(Debug)]
#[non_exhaustive]
pub struct UrlResult {
    /// The URL, without user information, query and fragment.
    pub destination: Arc<str>,
    /// What came of it.
    pub result: Result<Receipt, DeliveryError>,
}

/// One result for all URLs, `count` in number; those that were not asked again have taken it before:
///
/// - Delivered, with the answer of the first URL, if all of them took it.
/// - One URL: its own error.
/// - Nothing was sent to any that failed, for want of a connection: a refusal, as that of the first.
/// - Else an error that names each URL that failed. It may be tried again if one of them may, after the longest time
///   that was asked for; it is `Disabled` if every URL wants nothing more, else permanent.
pub(super) fn fold(results: Vec<UrlResult>, count: usize) -> Result<Receipt, DeliveryError> {
    let (mut taken, mut errors) = (None, Vec::new());
    for UrlResult { result, .. } in results {
        match result {
            Ok(receipt) => taken = taken.or(Some(receipt)),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(taken.unwrap_or_default()),
        1 if count == 1 => Err(errors.remove(0)),
        failed => {
            let texts: Vec<_> = errors.iter().map(DeliveryError::message).collect();
            let text = format!("{failed} of {count} urls failed: {}", texts.join("; "));
            let kind = together(errors.iter().map(DeliveryError::kind), failed == count);
            let refusal = errors.first().and_then(DeliveryError::refusal).cloned();
            let refusal = refusal.filter(|_| errors.iter().all(|error| error.refusal().is_some()));
            let error = DeliveryError::new(kind, text).with_source(errors.remove(0));
            Err(match refusal {
                Some(refusal) => error.with_refusal(refusal),
                None => error,
            })
        }
    }
}

/// What may be done after several failures; `all` is whether there was no success beside them.
fn together(kinds: impl Iterator<Item = DeliveryErrorKind>, all: bool) -> DeliveryErrorKind {
    let (mut wait, mut retry, mut disabled) = (None::<Duration>, false, all);
    for kind in kinds {
        disabled &= kind == DeliveryErrorKind::Disabled;
        match kind {
            DeliveryErrorKind::RetryAfter(asked) => wait = wait.max(Some(asked)),
            DeliveryErrorKind::Retry => retry = true,
            _ => {}
        }
    }
    match (wait, retry, disabled) {
        (Some(wait), ..) => DeliveryErrorKind::RetryAfter(wait),
        (None, true, _) => DeliveryErrorKind::Retry,
        (None, false, true) => DeliveryErrorKind::Disabled,
        (None, false, false) => DeliveryErrorKind::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dispatch_core::delivery::DeliveryErrorKind::{Disabled, Permanent, Retry, RetryAfter};

    fn folded(results: &[Option<DeliveryErrorKind>]) -> Option<DeliveryErrorKind> {
        let result = |kind: &Option<DeliveryErrorKind>| match kind {
            None => Ok(Receipt::taken()),
            Some(kind) => Err(DeliveryError::new(*kind, "no")),
        };
        let results = results.iter().map(|kind| UrlResult { destination: "u".into(), result: result(kind) });
        let results: Vec<_> = results.collect();
        let count = results.len();
        fold(results, count).err().map(|error| error.kind())
    }

    #[test]
    fn the_most_hopeful_failure_counts() {
        let wait = |seconds| Some(RetryAfter(Duration::from_secs(seconds)));
        assert_eq!(folded(&[None, None]), None);
        assert_eq!(folded(&[Some(Permanent)]), Some(Permanent));
        assert_eq!(folded(&[None, Some(Retry)]), Some(Retry));
        assert_eq!(folded(&[Some(Permanent), Some(Retry), None]), Some(Retry));
        assert_eq!(folded(&[wait(3), wait(9), Some(Retry)]), wait(9));
        assert_eq!(folded(&[Some(Disabled), Some(Disabled)]), Some(Disabled));
        assert_eq!(folded(&[Some(Disabled), None]), Some(Permanent));
        assert_eq!(folded(&[Some(Disabled), Some(Permanent)]), Some(Permanent));
    }
}
