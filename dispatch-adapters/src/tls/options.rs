use std::path::PathBuf;

use dispatch_core::error::Problem;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::config;

/// Whose certificates are trusted.
///
/// ```
/// use dispatch_adapters::tls::TlsOptions;
///
/// let options: TlsOptions = toml::from_str("roots = ['/etc/broker/ca.pem']\nsystem_roots = false")?;
/// assert!(!options.problems().is_empty(), "there is no such file here");
/// assert!(toml::from_str::<TlsOptions>("verify = false").is_err());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsOptions {
    /// Whether the roots of the system are trusted; yes.
    pub system_roots: bool,
    /// Files in PEM with roots that are trusted as well.
    pub roots: Vec<PathBuf>,
}

impl Default for TlsOptions {
    /// The roots of the system.
    fn default() -> Self {
        Self { system_roots: true, roots: Vec::new() }
    }
}

impl TlsOptions {
    /// Trusts these roots, one file or several, and not those of the system.
    pub fn only(roots: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self { system_roots: false, roots: roots.into_iter().map(Into::into).collect() }
    }

    /// Everything that is wrong with it. Files are read.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        config::roots(self).err().unwrap_or_default()
    }

    /// What a client is given.
    pub(crate) fn client(&self) -> Result<ClientConfig, Vec<Problem>> {
        config::client(self)
    }
}
