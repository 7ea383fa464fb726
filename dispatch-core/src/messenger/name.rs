use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{MessengerError, MessengerErrorCode};

/// Shows as much of a text as tells people which one it is, with nothing that ends a line.
pub(super) fn shown(text: &str) -> String {
    const SHOWN: usize = 40;
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

/// A text that was checked, with what such texts have in common.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// What is wrong with it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, MessengerError> {
                let text = text.as_ref();
                match Self::problem(text) {
                    None => Ok(Self(text.into())),
                    Some(problem) => Err(MessengerError::new(MessengerErrorCode::MessageValidation, problem)),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = MessengerError;

            fn from_str(text: &str) -> Result<Self, MessengerError> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
pub(super) use checked_text;

checked_text! {
    /// The name of a transport or a queue: 1 to 128 letters, digits, `_` and `-`.
    Name
}

checked_text! {
    /// The type of a message: a letter, then letters, digits, `_` and `.`; 256 at most.
    ///
    /// ```
    /// use dispatch_core::messenger::MessageType;
    ///
    /// assert!(MessageType::new("App.OrderPlaced_2").is_ok());
    /// assert_eq!(
    ///     MessageType::new("9Mail").unwrap_err().to_string(),
    ///     "MESSAGE_VALIDATION_ERROR: message type '9Mail': use a letter, then letters, digits, '_' and '.', 256 at most"
    /// );
    /// ```
    MessageType
}

impl Name {
    /// The longest name, in characters.
    pub const MAX: usize = 128;

    pub(super) fn problem(text: &str) -> Option<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_valid = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(fits);
        (!is_valid)
            .then(|| format!("name '{}': use 1 to {} letters, digits, '_' and '-'", shown(text), Self::MAX))
    }
}

impl MessageType {
    /// The longest type, in characters.
    pub const MAX: usize = 256;

    pub(super) fn problem(text: &str) -> Option<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let is_valid = starts && text.len() <= Self::MAX && text.bytes().all(fits);
        let text = || {
            format!(
                "message type '{}': use a letter, then letters, digits, '_' and '.', {} at most",
                shown(text),
                Self::MAX
            )
        };
        (!is_valid).then(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// How soon a message is handled, beside others that are due: 1 to 10, higher first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(u8);

impl Priority {
    /// The lowest.
    pub const LOWEST: Self = Self(1);
    /// What a message has unless something else is said.
    pub const DEFAULT: Self = Self(5);
    /// The highest.
    pub const HIGHEST: Self = Self(10);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    pub(super) fn problem(value: i64) -> Option<String> {
        let (lowest, highest) = (i64::from(Self::LOWEST.0), i64::from(Self::HIGHEST.0));
        (!(lowest..=highest).contains(&value))
            .then(|| format!("priority is {value}: use {lowest} to {highest}"))
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> Self {
        Self::from(priority.0)
    }
}

impl TryFrom<i64> for Priority {
    type Error = MessengerError;

    /// Nothing is rounded or moved into the range.
    fn try_from(value: i64) -> Result<Self, MessengerError> {
        let refuse = |problem| MessengerError::new(MessengerErrorCode::MessageValidation, problem);
        match (Self::problem(value), u8::try_from(value)) {
            (None, Ok(value)) => Ok(Self(value)),
            (problem, _) => Err(refuse(problem.unwrap_or_default())),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
