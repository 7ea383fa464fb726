use crate::secret::SecretError;

/// Why nothing can be signed. It never shows a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no secret.
    #[error("there is no secret to sign with: give at least one")]
    NoSecret,
    /// A secret that claims to be Base64 is not.
    #[error(
        "secret {position} is not Base64 after 'whsec_': copy it again, or give a secret without that start"
    )]
    NotBase64 {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// A secret has nothing after `whsec_`.
    #[error("secret {position} has nothing after 'whsec_': copy it again")]
    Empty {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// The time is before 1970.
    #[error("the time is before 1970: set the clock")]
    Time,
}

/// Why a webhook is not to be trusted. It says nothing that helps to forge one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no secret that could be used.
    #[error("there is no usable secret to verify with: {reason}")]
    NoSecret {
        /// What is wrong.
        reason: String,
    },
    /// A header that the scheme needs is not there.
    #[error("the request has no header '{name}': check the scheme, and that no proxy drops the header")]
    MissingHeader {
        /// Its name.
        name: String,
    },
    /// The timestamp is not a number of seconds.
    #[error("the timestamp of the request is not a number of seconds since 1970")]
    BadTimestamp,
    /// The timestamp is too far from now.
    #[error("the timestamp of the request is too old or too new: check the clocks; it may also be a replay")]
    StaleTimestamp,
    /// No signature fits.
    #[error(
        "no signature of the request fits: check the secret, and that the body is verified as it was received"
    )]
    BadSignature,
}

impl VerifyError {
    /// A stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSecret { .. } => "NO_SECRET",
            Self::MissingHeader { .. } => "MISSING_HEADER",
            Self::BadTimestamp => "BAD_TIMESTAMP",
            Self::StaleTimestamp => "STALE_TIMESTAMP",
            Self::BadSignature => "BAD_SIGNATURE",
        }
    }
}

impl From<SignError> for VerifyError {
    fn from(error: SignError) -> Self {
        Self::NoSecret { reason: error.to_string() }
    }
}

impl From<SecretError> for VerifyError {
    fn from(error: SecretError) -> Self {
        Self::NoSecret { reason: error.to_string() }
    }
}
