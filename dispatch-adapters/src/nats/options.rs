use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use serde::{Deserialize, Serialize};

use crate::tls::TlsOptions;
use crate::wire::{Checks, Form, ServerUrl, Template};

/// What a [`NatsAdapter`](super::NatsAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::nats::NatsOptions;
///
/// let options = NatsOptions { url: "nats://app:hunter2@broker".into(), ..NatsOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsOptions {
    /// `nats://host:port`, or `tls://` for TLS. A user without a password is a token.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// The subject to publish to. It must not come out with a wildcard, white space or an empty part.
    pub subject: Template,
    /// Whether a stream has to store the message.
    pub jetstream: bool,
    /// The stream that has to store it; any that takes the subject if not given. Needs `jetstream`.
    pub stream: Option<String>,
    /// How the envelope is written; in the binary form the attributes are headers with `ce-` before their names.
    pub form: Form,
    /// Longest message with its headers; the server has a limit of its own, 1 MiB unless configured.
    pub max_bytes: usize,
    /// How long connecting, sending and the answer may take together; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for NatsOptions {
    /// The server on this machine; subjects are topics; 1 MiB; 5 s.
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".into(),
            tls: TlsOptions::default(),
            subject: Template::default(),
            jetstream: false,
            stream: None,
            form: Form::default(),
            max_bytes: 1024 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}

impl NatsOptions {
    /// The schemes of a URL.
    pub(crate) const SCHEMES: &[&str] = &["nats", "tls"];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("nats");
        if let Some(url) = checks.url(&self.url, Self::SCHEMES) {
            checks.tls(url.scheme() == "tls", &self.tls, "tls://");
        }
        checks.timeout(self.timeout);
        checks.max_bytes(self.max_bytes, 64 * 1024 * 1024);
        if let Some(stream) = &self.stream {
            if !self.jetstream {
                checks.add("stream needs jetstream: set jetstream to true, or leave out the stream");
            }
            let bad = |c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c);
            if stream.is_empty() || stream.contains(bad) {
                checks.add(format_args!(
                    "stream '{stream}' is not a name: use no white space and none of .*>/\\"
                ));
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
        let options = NatsOptions {
            url: "http://u:hunter2@h".into(),
            stream: Some("a.b".into()),
            max_bytes: 0,
            timeout: Duration::ZERO,
            ..NatsOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: nats: max_bytes is 0: use 1 to 67108864
        INVALID_PARAMETER: nats: stream 'a.b' is not a name: use no white space and none of .*>/\
        INVALID_PARAMETER: nats: stream needs jetstream: set jetstream to true, or leave out the stream
        INVALID_PARAMETER: nats: timeout is 0ns: use 1 ms to 60 s
        INVALID_PARAMETER: nats: url: its scheme must be nats or tls: write it as nats://host:port
        ");
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let options: NatsOptions = serde_json::from_str(
            r#"{"url": "tls://h", "subject": "a.{type}", "form": "binary", "timeout_ms": 9}"#,
        )
        .unwrap();
        assert_eq!((options.form, options.timeout), (Form::Binary, Duration::from_millis(9)));
        assert_eq!(options.subject.to_string(), "a.{type}");
        assert!(serde_json::from_str::<NatsOptions>(r#"{"server": "h"}"#).is_err());
        assert!(serde_json::from_str::<NatsOptions>(r#"{"subject": "{color}"}"#).is_err());
    }
}
