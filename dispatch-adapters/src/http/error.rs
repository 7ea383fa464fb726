use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Sanitizer;
use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind};
use dispatch_core::error::Problem;

use super::guard::GuardRefusal;

/// What went wrong between here and there: the source of the [`DeliveryError`] of an HTTP adapter.
///
/// `url` is always the label of the destination, without user information, query and fragment; where even that looks
/// sensitive, so that the whole error would be hidden, it is the origin, or nothing but "the destination".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The options have problems, so nothing was tried.
    #[error("the options are not valid{}; validate() lists every problem", first(problems))]
    Options {
        /// All of them.
        problems: Vec<Problem>,
    },
    /// The envelope cannot be made into a request; nothing was sent.
    #[error("the envelope cannot be sent: {reason}")]
    Envelope {
        /// Why.
        reason: String,
    },
    /// The request would be longer than the options allow; nothing was sent.
    #[error("the request has {bytes} bytes, over max_bytes of {max_bytes}: send less, or where it is")]
    TooLong {
        /// Length of its body, before compression, and of the headers that come from the envelope.
        bytes: usize,
        /// What is allowed.
        max_bytes: usize,
    },
    /// Every connection of the pool was in use for too long; nothing was sent.
    #[error("no connection of pool '{pool}' was free within {} ms: give it more, or send less", waited.as_millis())]
    PoolExhausted {
        /// Name of the pool.
        pool: Arc<str>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The address guard did not let it through; nothing was sent.
    #[error("{url} was not asked: {refusal}")]
    Guarded {
        /// The destination.
        url: Arc<str>,
        /// Why.
        #[source]
        refusal: GuardRefusal,
    },
    /// There was no answer in time.
    #[error("{url} did not answer within {} ms", limit.as_millis())]
    Timeout {
        /// The destination.
        url: Arc<str>,
        /// The time it had.
        limit: Duration,
    },
    /// There was no connection.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// The destination.
        url: Arc<str>,
        /// Why.
        reason: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or the answer was not HTTP.
    #[error("{url} gave no answer: {reason}")]
    Broken {
        /// The destination.
        url: Arc<str>,
        /// Why.
        reason: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The destination refused it.
    #[error("{url} answered {status}{}", advice(*status))]
    Status {
        /// The destination.
        url: Arc<str>,
        /// What it answered.
        status: u16,
    },
}

/// The first problem, unless the error would be hidden because of it.
fn first(problems: &[Problem]) -> String {
    let first = problems.first().map(Problem::message);
    let shown = first.filter(|text| !Sanitizer::new().is_sensitive(text));
    shown.map(|text| format!(": {text}")).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => ": redirects are not followed, use the URL it points to",
        401 | 403 => ": check what it is told to know the sender by",
        410 => ": it wants nothing more",
        _ => "",
    }
}

impl HttpError {
    /// As the error of a delivery, with this one as its source.
    pub(crate) fn into_delivery(self, kind: DeliveryErrorKind) -> DeliveryError {
        DeliveryError::new(kind, self.to_string()).with_source(self)
    }

    pub(crate) fn options(problems: &[Problem]) -> DeliveryError {
        Self::Options { problems: problems.to_vec() }.into_delivery(DeliveryErrorKind::Permanent)
    }

    /// What serialising failed with is the payload's own text, and may hold anything.
    pub(super) fn unwritable<E>(_: E) -> DeliveryError {
        Self::envelope("its payload cannot be written")
    }

    #[expect(clippy::needless_pass_by_value, reason = "it goes into map_err")]
    pub(crate) fn envelope(reason: impl ToString) -> DeliveryError {
        Self::Envelope { reason: reason.to_string() }.into_delivery(DeliveryErrorKind::Permanent)
    }
}
