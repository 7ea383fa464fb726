use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use serde::{Deserialize, Serialize};

use crate::tls::TlsOptions;
use crate::wire::{Checks, Form, ServerUrl, Template};

/// Where in Redis an envelope goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RedisMode {
    /// To whoever is subscribed to a channel now.
    #[default]
    Publish,
    /// To the end of a stream.
    Stream,
}

/// What a [`RedisAdapter`](super::RedisAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::redis::RedisOptions;
///
/// let options = RedisOptions { url: "redis://:hunter2@cache:6379/2".into(), ..RedisOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/database`, or `rediss://` for TLS.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// Channel or stream.
    pub mode: RedisMode,
    /// The name of the channel or stream.
    pub key: Template,
    /// How many entries of the stream are kept; all if not given. Older ones are removed whether read or not.
    pub max_len: Option<u64>,
    /// Whether exactly `max_len` entries are kept; otherwise a few more, which costs the server much less.
    pub exact_len: bool,
    /// Whether a stream that does not exist is made.
    pub create: bool,
    /// How the envelope is written; a channel takes the structured form only.
    pub form: Form,
    /// Longest message with its fields; the server takes 512 MiB unless configured.
    pub max_bytes: usize,
    /// How long connecting, sending and the answer may take together; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for RedisOptions {
    /// The server on this machine; channels are topics; 1 MiB; 5 s.
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            tls: TlsOptions::default(),
            mode: RedisMode::default(),
            key: Template::default(),
            max_len: None,
            exact_len: false,
            create: true,
            form: Form::default(),
            max_bytes: 1024 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}

impl RedisOptions {
    /// The schemes of a URL.
    pub(super) const SCHEMES: &[&str] = &["redis", "rediss"];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("redis");
        if let Some(url) = checks.url(&self.url, Self::SCHEMES) {
            checks.tls(url.scheme() == "rediss", &self.tls, "rediss://");
            // The client would take `#insecure` for a wish not to verify certificates.
            if url.fragment().is_some() {
                checks.add("url: it ends with a fragment: leave out what follows the #");
            }
        }
        checks.timeout(self.timeout);
        checks.max_bytes(self.max_bytes, 512 * 1024 * 1024);
        if self.max_len == Some(0) {
            checks.add("max_len is 0: use at least 1, or leave it out to keep everything");
        }
        if self.exact_len && self.max_len.is_none() {
            checks.add("exact_len needs max_len: give a length, or leave out exact_len");
        }
        if self.mode == RedisMode::Publish {
            if self.form != Form::Structured {
                checks.add("a channel has no headers: set form to structured, or mode to stream");
            }
            if self.max_len.is_some() || !self.create {
                checks.add("max_len and create are for streams: set mode to stream, or leave them out");
            }
        }
        checks.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = RedisOptions {
            url: "valkey://u:hunter2@h".into(),
            form: Form::Binary,
            max_len: Some(0),
            max_bytes: 0,
            timeout: Duration::from_secs(61),
            ..RedisOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: redis: a channel has no headers: set form to structured, or mode to stream
        INVALID_PARAMETER: redis: max_bytes is 0: use 1 to 536870912
        INVALID_PARAMETER: redis: max_len and create are for streams: set mode to stream, or leave them out
        INVALID_PARAMETER: redis: max_len is 0: use at least 1, or leave it out to keep everything
        INVALID_PARAMETER: redis: timeout is 61s: use 1 ms to 60 s
        INVALID_PARAMETER: redis: url: its scheme must be redis or rediss: write it as redis://host:port
        ");
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let text = r#"{"mode": "stream", "key": "events:{topic}", "max_len": 9, "form": "binary"}"#;
        let options: RedisOptions = serde_json::from_str(text).unwrap();
        assert_eq!(
            (options.mode, options.max_len, options.problems().len()),
            (RedisMode::Stream, Some(9), 0)
        );
        assert!(serde_json::from_str::<RedisOptions>(r#"{"channel": "c"}"#).is_err());
    }
}
