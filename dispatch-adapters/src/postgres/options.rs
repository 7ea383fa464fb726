use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use serde::{Deserialize, Serialize};
use tokio_postgres::config::SslMode;

use super::server;
use crate::tls::TlsOptions;
use crate::wire::{Checks, ServerUrl, Template};

/// What a [`PostgresAdapter`](super::PostgresAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::postgres::PostgresOptions;
///
/// let options = PostgresOptions { url: "postgres://app:hunter2@db/shop".into(), ..PostgresOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with `?sslmode=require` for TLS. Without it, and with
    /// `sslmode=disable`, there is none; `verify-full` means `require`, since certificates are always verified.
    /// Other modes may end without TLS or with any certificate, and are refused.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// The channel to notify; 1 to 63 bytes without control characters.
    pub channel: Template,
    /// How long connecting, sending and the answer may take together; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for PostgresOptions {
    /// The database `postgres` of the server on this machine; channels are topics; 5 s.
    fn default() -> Self {
        Self {
            url: "postgres://postgres@127.0.0.1:5432/postgres".into(),
            tls: TlsOptions::default(),
            channel: Template::default(),
            timeout: Duration::from_secs(5),
        }
    }
}

impl PostgresOptions {
    /// The schemes of a URL.
    pub(crate) const SCHEMES: &[&str] = &["postgres", "postgresql"];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("postgres");
        if let Some(url) = checks.url(&self.url, Self::SCHEMES)
            && let Some((_, mode)) = server::settled(&url, &mut checks)
        {
            checks.tls(mode == SslMode::Require, &self.tls, "postgres://host/database?sslmode=require");
        }
        checks.timeout(self.timeout);
        checks.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = PostgresOptions {
            url: "mysql://u:hunter2@h".into(),
            timeout: Duration::ZERO,
            ..PostgresOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: postgres: timeout is 0ns: use 1 ms to 60 s
        INVALID_PARAMETER: postgres: url: its scheme must be postgres or postgresql: write it as postgres://host:port
        ");
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let options: PostgresOptions =
            serde_json::from_str(r#"{"channel": "orders", "timeout_ms": 9}"#).unwrap();
        assert_eq!(
            (options.channel.to_string(), options.timeout),
            ("orders".into(), Duration::from_millis(9))
        );
        assert!(serde_json::from_str::<PostgresOptions>(r#"{"table": "t"}"#).is_err());
    }
}
