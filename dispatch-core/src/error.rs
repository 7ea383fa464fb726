//! Codes of everything that can be refused or fail, and the error that lists every problem of a registration.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stable code, for programs; texts may change, codes do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ErrorCode {
    /// An id or route is registered twice.
    DuplicateRegistration,
    /// A dispatcher failed.
    HandlerExecutionError,
    /// Two settings contradict each other.
    InvalidConfiguration,
    /// A value is not allowed.
    InvalidParameter,
    /// The engine is not in a state to do this.
    InvalidState,
    /// Something that is named is not registered, or nothing matches.
    ItemNotRegistered,
    /// The engine is at its limit.
    Overloaded,
    /// Outputs could not be published.
    PublishFailed,
    /// An interceptor refused the envelope.
    Rejected,
    /// A dispatcher did not answer in time.
    Timeout,
    /// A topic or an envelope is not valid.
    ValidationError,
    /// A node kind does not fit its category.
    ValidationFailed,
}

impl ErrorCode {
    /// The code as it is written in results, logs and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateRegistration => "DUPLICATE_REGISTRATION",
            Self::HandlerExecutionError => "HANDLER_EXECUTION_ERROR",
            Self::InvalidConfiguration => "INVALID_CONFIGURATION",
            Self::InvalidParameter => "INVALID_PARAMETER",
            Self::InvalidState => "INVALID_STATE",
            Self::ItemNotRegistered => "ITEM_NOT_REGISTERED",
            Self::Overloaded => "OVERLOADED",
            Self::PublishFailed => "PUBLISH_FAILED",
            Self::Rejected => "REJECTED",
            Self::Timeout => "TIMEOUT",
            Self::ValidationError => "VALIDATION_ERROR",
            Self::ValidationFailed => "VALIDATION_FAILED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong with a registration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Problem {
    code: ErrorCode,
    message: String,
}

impl Problem {
    /// A problem with its code and a text that says what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What is wrong and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Everything that is wrong with a registration, sorted by code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationError {
    problems: Vec<Problem>,
}

impl RegistrationError {
    /// Sorts the problems; `Ok` if there are none.
    ///
    /// # Errors
    /// All the problems as one error.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    /// The problems, sorted.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The codes, sorted, each once.
    #[must_use]
    pub fn codes(&self) -> Vec<ErrorCode> {
        let mut codes: Vec<_> = self.problems.iter().map(Problem::code).collect();
        codes.dedup();
        codes
    }
}

impl From<Problem> for RegistrationError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A table of a million bad routes must not make a message of a gigabyte.
        const SHOWN: usize = 100;
        let count = self.problems.len();
        write!(f, "registration refused, {count} problem{}", if count == 1 { "" } else { "s" })?;
        for problem in self.problems.iter().take(SHOWN) {
            write!(f, "\n  {problem}")?;
        }
        if count > SHOWN { write!(f, "\n  and {} more", count - SHOWN) } else { Ok(()) }
    }
}

impl std::error::Error for RegistrationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_agree_with_serde() {
        for code in [ErrorCode::DuplicateRegistration, ErrorCode::HandlerExecutionError, ErrorCode::Timeout] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn problems_are_sorted_and_listed() {
        let error = RegistrationError::check(vec![
            Problem::new(ErrorCode::ItemNotRegistered, "b"),
            Problem::new(ErrorCode::InvalidParameter, "z"),
            Problem::new(ErrorCode::ItemNotRegistered, "a"),
        ])
        .unwrap_err();
        assert_eq!(error.codes(), [ErrorCode::InvalidParameter, ErrorCode::ItemNotRegistered]);
        insta::assert_snapshot!(error, @r"
        registration refused, 3 problems
          INVALID_PARAMETER: z
          ITEM_NOT_REGISTERED: a
          ITEM_NOT_REGISTERED: b
        ");
    }
}
