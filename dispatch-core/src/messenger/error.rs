use std::fmt;

use serde::{Deserialize, Serialize};

/// A stable code, for programs; texts may change, codes do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MessengerErrorCode {
    /// A message or its options are not valid.
    #[serde(rename = "MESSAGE_VALIDATION_ERROR")]
    MessageValidation,
    /// A transport could not do what was asked.
    #[serde(rename = "TRANSPORT_ERROR")]
    Transport,
    /// A handler failed.
    #[serde(rename = "HANDLER_ERROR")]
    Handler,
    /// A retry policy cannot be followed.
    #[serde(rename = "RETRY_STRATEGY_ERROR")]
    RetryStrategy,
    /// A schedule cannot be followed.
    #[serde(rename = "SCHEDULER_ERROR")]
    Scheduler,
    /// The configuration is not valid, or does not know what is named.
    #[serde(rename = "CONFIGURATION_ERROR")]
    Configuration,
    /// Something cannot be written or read.
    #[serde(rename = "SERIALIZATION_ERROR")]
    Serialization,
    /// A lease is lost.
    #[serde(rename = "LOCK_ERROR")]
    Lock,
}

impl MessengerErrorCode {
    /// As it is written in results, logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageValidation => "MESSAGE_VALIDATION_ERROR",
            Self::Transport => "TRANSPORT_ERROR",
            Self::Handler => "HANDLER_ERROR",
            Self::RetryStrategy => "RETRY_STRATEGY_ERROR",
            Self::Scheduler => "SCHEDULER_ERROR",
            Self::Configuration => "CONFIGURATION_ERROR",
            Self::Serialization => "SERIALIZATION_ERROR",
            Self::Lock => "LOCK_ERROR",
        }
    }
}

impl fmt::Display for MessengerErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a message was not taken, with everything that is wrong at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessengerError {
    code: MessengerErrorCode,
    problems: Vec<String>,
    retryable: bool,
}

impl MessengerError {
    /// An error with one problem, which says what to do.
    pub fn new(code: MessengerErrorCode, problem: impl Into<String>) -> Self {
        Self { code, problems: vec![problem.into()], retryable: false }
    }

    /// Says whether trying again may help without anybody doing something about it.
    #[must_use]
    pub const fn with_retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Whether trying again may help without anybody doing something about it, as with a transport that does not answer.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The problems as one error, sorted; `Ok` if there are none.
    ///
    /// # Errors
    /// All of them.
    pub(super) fn check(code: MessengerErrorCode, mut problems: Vec<String>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self { code, problems, retryable: false }) }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> MessengerErrorCode {
        self.code
    }

    /// Everything that is wrong, sorted.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for MessengerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.problems.join("; "))
    }
}

impl std::error::Error for MessengerError {}
