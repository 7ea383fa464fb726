use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{HIDDEN, SecretError};

/// A text that nothing shows; a clone is one reference count.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    ///
    /// # Errors
    /// [`SecretError::Empty`] if there is nothing in it but white space.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.trim().is_empty() { Err(SecretError::Empty) } else { Ok(Self(text)) }
    }

    /// The secret itself. Do not print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::new("hunter2").unwrap();
        let shown =
            format!("{secret} {secret:?} {:#?} {}", Some(&secret), serde_json::json!({ "s": secret }));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.clone().expose(), "hunter2");
    }

    #[test]
    fn an_empty_secret_is_refused() {
        for text in ["", " ", "\n"] {
            assert!(matches!(Secret::new(text), Err(SecretError::Empty)));
        }
    }
}
