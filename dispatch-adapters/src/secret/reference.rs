use std::env::{self, VarError};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{HIDDEN, Secret, SecretError};

/// Where a secret is, or, from code only, the secret itself.
///
/// Text is read as `env:NAME` or `file:PATH`; anything else is refused, so that no configuration holds a secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file; white space at its end is not part of the secret.
    File(PathBuf),
    /// Here. It cannot be written in a configuration.
    Given(Secret),
}

impl SecretRef {
    /// Gets the secret. Files are read anew each time.
    ///
    /// # Errors
    /// [`SecretError`], which says what to do.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let place = || self.to_string();
        let text = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::Env(name) => match env::var(name) {
                Ok(text) => text,
                Err(VarError::NotPresent) => return Err(SecretError::NotSet { name: name.clone() }),
                Err(VarError::NotUnicode(_)) => return Err(SecretError::NotText { place: place() }),
            },
            Self::File(path) => {
                let bytes = fs::read(path)
                    .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText { place: place() })?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        Secret::new(text).map_err(|_| SecretError::Nothing { place: place() })
    }
}

impl FromStr for SecretRef {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", "")) => Err(SecretError::NoName { scheme: "env" }),
            Some(("file", "")) => Err(SecretError::NoName { scheme: "file" }),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.into())),
            _ if text.is_empty() => Err(SecretError::Empty),
            _ => Err(SecretError::Plain),
        }
    }
}

impl From<Secret> for SecretRef {
    fn from(secret: Secret) -> Self {
        Self::Given(secret)
    }
}

impl fmt::Display for SecretRef {
    /// As it is written in a configuration; a secret from code is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Given(_) => f.write_str(HIDDEN),
        }
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_secrets_and_holds_none() {
        for text in ["env:TOKEN", "file:/run/secrets/hook"] {
            let named: SecretRef = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_value(&named).unwrap(), text);
        }
        for text in ["hunter2", "whsec_abc", "ENV:X", "env:", "file:", ""] {
            let error = serde_json::from_value::<SecretRef>(text.into()).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("whsec_abc"), "{error}");
        }
    }

    #[test]
    fn an_environment_variable_is_read() {
        let secret = SecretRef::Env("CARGO_PKG_NAME".to_owned()).resolve().unwrap();
        assert_eq!(secret.expose(), "dispatch-adapters");
    }

    #[test]
    fn a_file_is_read_without_the_end_of_its_line() {
        let path = env::temp_dir().join(format!("dispatch-secret-{}", std::process::id()));
        for (content, expected) in
            [("abc\n", Some("abc")), ("abc\r\n", Some("abc")), (" a b ", Some(" a b ")), ("\n", None)]
        {
            fs::write(&path, content).unwrap();
            let found = SecretRef::File(path.clone()).resolve();
            assert_eq!(found.as_ref().ok().map(Secret::expose), expected);
        }
        fs::write(&path, [0xff]).unwrap();
        assert!(matches!(SecretRef::File(path.clone()).resolve(), Err(SecretError::NotText { .. })));
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_error_says_what_to_do() {
        let text = |named: &str| {
            named.parse::<SecretRef>().and_then(|named| named.resolve()).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [text("env:DISPATCH_NO_SUCH_VARIABLE"), text("file:/no/such/file"), text("hunter2"), text("env:"), text("")].join("\n"),
            @r"
        environment variable 'DISPATCH_NO_SUCH_VARIABLE' is not set: set it for this process, or name another one
        cannot read '/no/such/file': No such file or directory (os error 2); check that it exists and that this process may read it
        a secret is written plainly into the configuration: write env:NAME or file:PATH instead
        'env:' names nothing: write env:NAME or file:PATH
        a secret is empty: give one, or leave out the setting
        "
        );
    }
}
