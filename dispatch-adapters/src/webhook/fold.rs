use std::sync::Arc;
use std::time::SystemTime;

use dispatch_core::delivery::{DeliveryError, Receipt};
use dispatch_core::policy::{Failure as _, History};

/// What became of a webhook at one of its URLs.
#[derive(Debug)]
#[non_exhaustive]
pub struct UrlResult {
    /// The URL, without user information, query and fragment.
    pub destination: Arc<str>,
    /// What came of it.
    pub result: Result<Receipt, DeliveryError>,
}

/// One result for all URLs, `count` in number. `refused` are those that had refused the envelope in an earlier attempt; the
/// others that were not asked again had taken it.
///
/// - Delivered, with the answer of the first URL, if all of them took it.
/// - One URL: its own error.
/// - Those that may be tried again were not asked, for want of a connection: a refusal, as that of the first of them. If
///   others were asked, its history tells of the attempt.
/// - Else an error that names each URL that failed. It may be tried again if one of them may, after the longest time
///   that was asked for; it is `Disabled` if every URL has said in this attempt that it wants nothing more, else permanent.
pub(super) fn fold(
    results: Vec<UrlResult>,
    count: usize,
    refused: &[Arc<str>],
    now: SystemTime,
) -> Result<Receipt, DeliveryError> {
    let (mut taken, mut errors) = (None, Vec::new());
    for UrlResult { result, .. } in results {
        match result {
            Ok(receipt) => taken = taken.or(Some(receipt)),
            Err(error) => errors.push(error),
        }
    }
    let failed = errors.len() + refused.len();
    match failed {
        0 => Ok(taken.unwrap_or_default()),
        1 if count == 1 && refused.is_empty() => Err(errors.remove(0)),
        failed => {
            let before = refused.iter().map(|url| format!("{url} had refused it before"));
            let texts: Vec<_> = errors.iter().map(|error| error.message().to_owned()).chain(before).collect();
            let text = format!("{failed} of {count} urls failed: {}", texts.join("; "));
            let is_sent = taken.is_some() || errors.iter().any(|error| error.refusal().is_none());
            let error = DeliveryError::together(text, errors, count);
            if error.refusal().is_none() || !is_sent {
                return Err(error);
            }
            let history = History::once(error.message(), now);
            Err(error.with_history(history))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use dispatch_core::delivery::DeliveryErrorKind::{self, Disabled, Permanent, Retry, RetryAfter};

    fn folded(results: &[Option<DeliveryErrorKind>]) -> Option<DeliveryErrorKind> {
        let result = |kind: &Option<DeliveryErrorKind>| match kind {
            None => Ok(Receipt::taken()),
            Some(kind) => Err(DeliveryError::new(*kind, "no")),
        };
        let results = results.iter().map(|kind| UrlResult { destination: "u".into(), result: result(kind) });
        let results: Vec<_> = results.collect();
        let count = results.len();
        fold(results, count, &[], SystemTime::UNIX_EPOCH).err().map(|error| error.kind())
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

    #[test]
    fn what_was_refused_before_still_counts_when_the_rest_is_taken() {
        let taken = || UrlResult { destination: "b".into(), result: Ok(Receipt::taken()) };
        assert!(fold(vec![taken()], 2, &[], SystemTime::UNIX_EPOCH).is_ok());
        let error = fold(vec![taken()], 2, &["a".into()], SystemTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Permanent, "1 of 2 urls failed: a had refused it before")
        );
        let gone = UrlResult { destination: "b".into(), result: Err(DeliveryError::disabled("gone")) };
        assert_eq!(
            fold(vec![gone], 2, &["a".into()], SystemTime::UNIX_EPOCH).unwrap_err().kind(),
            Permanent,
            "not switched off"
        );
    }

    #[test]
    fn no_connection_is_no_fault_beside_what_was_refused_for_good_and_tells_what_was_sent() {
        use dispatch_core::policy::{Refusal, RefusedBy};
        let refusal = || Refusal {
            by: RefusedBy::PoolExhausted,
            service: "a".into(),
            transport: "webhook".into(),
            retry_in: None,
        };
        let folded = |results: [Result<Receipt, DeliveryError>; 2]| {
            let results = results.map(|result| UrlResult { destination: "u".into(), result });
            fold(results.into(), 2, &[], SystemTime::UNIX_EPOCH).unwrap_err()
        };
        let no_connection = || Err(DeliveryError::refused(refusal()));
        let attempts = |error: &DeliveryError| error.history().map(|history| history.attempts);
        for beside in [Ok(Receipt::taken()), Err(DeliveryError::permanent("400"))] {
            let error = folded([beside, no_connection()]);
            assert!(!error.is_fault() && error.is_worth_retrying(), "{error}");
            assert_eq!(attempts(&error), Some(1), "{error}");
        }
        let nothing = folded([no_connection(), no_connection()]);
        assert_eq!((nothing.refusal(), attempts(&nothing)), (Some(&refusal()), None));
        assert!(folded([Err(DeliveryError::retry("500")), no_connection()]).is_fault());
    }
}
