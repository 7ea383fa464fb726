use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::delivery::DeliveryErrorKind;
use crate::envelope::short_type_name;
use crate::policy::{Failure, History, Refusal, RefusedBy};
use crate::redact::Sanitizer;

/// Why a dispatcher failed.
///
/// Any error converts into it with `?`; it remembers the short name of the error's type, because
/// `<ErrorType>: <text>` is what results, logs and dead letters show (after sanitising). Like `anyhow::Error`
/// it is not itself a [`std::error::Error`], which is what makes that conversion possible.
///
/// ```
/// use dispatch_core::DispatcherError;
///
/// fn parse(text: &str) -> Result<u32, DispatcherError> {
///     Ok(text.parse::<u32>()?)
/// }
///
/// let error = parse("x").unwrap_err();
/// assert_eq!(error.error_type(), "ParseIntError");
/// ```
pub struct DispatcherError(Box<Parts>);

/// Boxed, because a result that is rarely an error should not be as large as one.
struct Parts {
    error_type: Cow<'static, str>,
    message: String,
    advice: RetryAdvice,
    refusal: Option<Refusal>,
    history: Option<History>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What the failed dispatcher knows about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RetryAdvice {
    /// Nothing: the policy decides.
    #[default]
    ByPolicy,
    /// Trying again can never help.
    Never,
    /// Trying again will help, after this delay if one is given.
    Always(Option<Duration>),
}

impl DispatcherError {
    /// An error of a named type.
    pub fn new(error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            error_type: error_type.into(),
            message: message.into(),
            advice: RetryAdvice::ByPolicy,
            refusal: None,
            history: None,
            source: None,
        }))
    }

    /// An error that only has a text; its type is `Error`.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new("Error", message)
    }

    /// Wraps a boxed error; its type is `Error`, since the name is not known any more.
    #[must_use]
    pub fn from_boxed(source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::msg(source.to_string()).with_source(source)
    }

    /// Says that trying again can never help.
    #[must_use]
    pub fn unrecoverable(mut self) -> Self {
        self.0.advice = RetryAdvice::Never;
        self
    }

    /// Says that trying again will help, after `delay` if one is given.
    #[must_use]
    pub fn recoverable(mut self, delay: Option<Duration>) -> Self {
        self.0.advice = RetryAdvice::Always(delay);
        self
    }

    fn with_source(mut self, source: Box<dyn StdError + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Short name of the error's type.
    #[must_use]
    pub fn error_type(&self) -> &str {
        &self.0.error_type
    }

    /// The text as the dispatcher gave it, **not sanitised**.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is known about trying again.
    #[must_use]
    pub fn advice(&self) -> RetryAdvice {
        self.0.advice
    }

    /// What was tried, if there was a retry policy.
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        self.0.history.as_ref()
    }

    /// The error this one was made from.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for DispatcherError {
    fn from(source: E) -> Self {
        Self::new(short_type_name::<E>(), source.to_string()).with_source(Box::new(source))
    }
}

impl Failure for DispatcherError {
    fn kind(&self) -> DeliveryErrorKind {
        match self.0.advice {
            RetryAdvice::Never => DeliveryErrorKind::Permanent,
            RetryAdvice::Always(Some(delay)) => DeliveryErrorKind::RetryAfter(delay),
            RetryAdvice::ByPolicy | RetryAdvice::Always(None) => DeliveryErrorKind::Retry,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref()
    }

    fn text(&self) -> String {
        Sanitizer::default().sanitize(self.error_type(), self.message())
    }

    fn refused(refusal: Refusal) -> Self {
        let error = Self::new("Refused", refusal.to_string());
        let mut error = match refusal.by {
            RefusedBy::Disabled => error.unrecoverable(),
            _ => error.recoverable(refusal.retry_in),
        };
        error.0.refusal = Some(refusal);
        error
    }

    fn timed_out(limit: Duration) -> Self {
        Self::new("TimedOut", format!("no answer within {} ms", limit.as_millis()))
    }

    fn panicked(text: &str) -> Self {
        Self::new("Panic", text)
    }

    fn history(&self) -> Option<&History> {
        self.0.history.as_ref()
    }

    fn with_history(mut self, history: History) -> Self {
        self.0.history = Some(history);
        self
    }
}

impl fmt::Debug for DispatcherError {
    /// Shows the type only: the text is not sanitised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatcherError")
            .field("error_type", &self.0.error_type)
            .field("advice", &self.0.advice)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_type_text_and_source() {
        let error = DispatcherError::from("x".parse::<u8>().unwrap_err());
        assert_eq!((error.error_type(), error.message()), ("ParseIntError", "invalid digit found in string"));
        assert!(error.source().is_some());
        assert_eq!(error.advice(), RetryAdvice::ByPolicy);
    }

    #[test]
    fn debug_hides_the_text() {
        assert!(!format!("{:?}", DispatcherError::msg("password=x1")).contains("x1"));
    }
}
