use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::redact::Sanitizer;

/// Why a delivery failed, and what may be done next.
///
/// The text is sanitised when the error is made, so it can be logged and stored as it is.
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    message: String,
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

impl DeliveryError {
    /// An error of a kind.
    pub fn new(kind: DeliveryErrorKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: Sanitizer::default().sanitize_text(message.as_ref()), source: None }
    }

    /// Trying again cannot help.
    pub fn permanent(message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::Permanent, message)
    }

    /// Trying again may help.
    pub fn retry(message: impl AsRef<str>) -> Self {
        Self::new(DeliveryErrorKind::Retry, message)
    }

    /// Keeps the error this one was made from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What may be done next.
    #[must_use]
    pub const fn kind(&self) -> DeliveryErrorKind {
        self.kind
    }

    /// Whether trying again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::Retry | DeliveryErrorKind::RetryAfter(_))
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for DeliveryError {
    /// Leaves the source out: its text is not sanitised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl StdError for DeliveryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
