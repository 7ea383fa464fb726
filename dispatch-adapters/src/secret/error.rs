use std::io;
use std::path::PathBuf;

/// Why there is no secret. It never shows one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It is empty or white space.
    #[error("a secret is empty: give one, or leave out the setting")]
    Empty,
    /// It is written into the configuration.
    #[error("a secret is written plainly into the configuration: write env:NAME or file:PATH instead")]
    Plain,
    /// `env:` or `file:` is followed by nothing.
    #[error("'{scheme}:' names nothing: write env:NAME or file:PATH")]
    NoName {
        /// What stands before the colon.
        scheme: &'static str,
    },
    /// The environment variable is not set.
    #[error("environment variable '{name}' is not set: set it for this process, or name another one")]
    NotSet {
        /// Its name.
        name: String,
    },
    /// The environment variable or file holds nothing.
    #[error("{place} is empty: put the secret into it")]
    Nothing {
        /// The reference that led there.
        place: String,
    },
    /// The content is not text.
    #[error("{place} is not UTF-8: put a text into it")]
    NotText {
        /// The reference that led there.
        place: String,
    },
    /// The file cannot be read.
    #[error("cannot read '{}': {source}; check that it exists and that this process may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}
