use dispatch_core::ErrorCode;

/// The engine did not take an envelope, or cannot answer.
///
/// What dispatchers do is never a refusal: it is in the result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// As many dispatches are in flight as the engine admits.
    #[error(
        "the engine is overloaded: {max} dispatches are in flight; wait with dispatch(), or raise max_in_flight"
    )]
    Overloaded {
        /// The limit.
        max: usize,
    },
    /// The engine is stopping or has stopped.
    #[error("the engine has been shut down: freeze a new one")]
    InvalidState,
    /// An interceptor refused the envelope.
    #[error("rejected: {0}")]
    Rejected(String),
}

impl Refused {
    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Overloaded { .. } => ErrorCode::Overloaded,
            Self::InvalidState => ErrorCode::InvalidState,
            Self::Rejected(_) => ErrorCode::Rejected,
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded { .. })
    }
}
