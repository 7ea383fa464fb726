use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::name::shown;
use super::{MessengerConfig, MessengerError, MessengerErrorCode, Routing};
use crate::policy::RetryPolicy;

/// Where a program runs, and so what its messenger begins with. Whatever is said explicitly wins over it.
///
/// | profile | default retry |
/// |---|---|
/// | `production` | 5 retries, at most a minute apart |
/// | `development`, `test` | 2 retries, the first after half a second |
///
/// ```
/// use dispatch_core::messenger::{MessengerConfig, Profile};
///
/// assert_eq!(Profile::Production.config().retry["default"].max_retries, 5);
/// let config = MessengerConfig::from_toml("profile = 'production'\n[retry.default]\nmax_retries = 8")?;
/// assert_eq!((config.retry["default"].max_retries, config.retry["default"].cap.as_secs()), (8, 60));
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// For users: patient with what is down for a while.
    Production,
    /// For people who write the program.
    Development,
    /// For tests.
    Test,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Production, Self::Development, Self::Test];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
            Self::Test => "test",
        }
    }

    /// What a messenger begins with.
    #[must_use]
    pub fn config(self) -> MessengerConfig {
        let retry = match self {
            Self::Production => RetryPolicy::default().with_max_retries(5).with_cap(Duration::from_secs(60)),
            Self::Development | Self::Test => {
                RetryPolicy::default().with_max_retries(2).with_base(Duration::from_millis(500))
            }
        };
        let retry = [(Routing::DEFAULT.to_owned(), retry)].into();
        MessengerConfig { retry, ..MessengerConfig::default() }
    }
}

impl FromStr for Profile {
    type Err = MessengerError;

    fn from_str(text: &str) -> Result<Self, MessengerError> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            let problem = format!("'{}' is no profile: use one of {known}", shown(text));
            MessengerError::new(MessengerErrorCode::Configuration, problem)
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: MessengerError| de::Error::custom(error.problems().join("; ")))
    }
}
