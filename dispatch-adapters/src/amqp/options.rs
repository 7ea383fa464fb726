use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use serde::{Deserialize, Serialize};

use crate::tls::TlsOptions;
use crate::wire::{Checks, Form, ServerUrl, Template};

/// What an [`AmqpAdapter`](super::AmqpAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::amqp::AmqpOptions;
///
/// let options = AmqpOptions { url: "amqp://app:hunter2@broker/%2f".into(), ..AmqpOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmqpOptions {
    /// `amqp://user:password@host:port/virtual-host`, or `amqps://` for TLS, where the virtual host `/` is written `%2f`.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// The exchange to publish to; the default exchange, which leads to the queue named by the routing key, if empty.
    pub exchange: String,
    /// The routing key; at most 255 bytes.
    pub routing_key: Template,
    /// Whether a message that leads to no queue is an error.
    pub mandatory: bool,
    /// Whether durable queues keep the message when the broker is started again.
    pub persistent: bool,
    /// How the envelope is written.
    pub form: Form,
    /// Longest message with its headers; the broker has a limit of its own, 128 MiB unless configured.
    pub max_bytes: usize,
    /// How long connecting, sending and the answer may take together; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for AmqpOptions {
    /// The broker on this machine, its default exchange, topics as routing keys; mandatory, persistent; 1 MiB; 5 s.
    fn default() -> Self {
        Self {
            url: "amqp://127.0.0.1:5672/%2f".into(),
            tls: TlsOptions::default(),
            exchange: String::new(),
            routing_key: Template::default(),
            mandatory: true,
            persistent: true,
            form: Form::default(),
            max_bytes: 1024 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}

impl AmqpOptions {
    /// The schemes of a URL.
    pub(super) const SCHEMES: &[&str] = &["amqp", "amqps"];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("amqp");
        if let Some(url) = checks.url(&self.url, Self::SCHEMES) {
            checks.tls(url.scheme() == "amqps", &self.tls, "amqps://");
        }
        checks.timeout(self.timeout);
        checks.max_bytes(self.max_bytes, 128 * 1024 * 1024);
        if self.exchange.len() > 255 {
            checks.add(format_args!("exchange has {} bytes: use at most 255", self.exchange.len()));
        }
        checks.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = AmqpOptions {
            url: "amqp+ssl://u:hunter2@h".into(),
            exchange: "x".repeat(256),
            max_bytes: usize::MAX,
            timeout: Duration::ZERO,
            ..AmqpOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: amqp: exchange has 256 bytes: use at most 255
        INVALID_PARAMETER: amqp: max_bytes is 18446744073709551615: use 1 to 134217728
        INVALID_PARAMETER: amqp: timeout is 0ns: use 1 ms to 60 s
        INVALID_PARAMETER: amqp: url: its scheme must be amqp or amqps: write it as amqp://host:port
        ");
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let text = r#"{"exchange": "events", "routing_key": "{type}", "mandatory": false}"#;
        let options: AmqpOptions = serde_json::from_str(text).unwrap();
        assert_eq!(
            (options.exchange.as_str(), options.mandatory, options.persistent),
            ("events", false, true)
        );
        assert!(serde_json::from_str::<AmqpOptions>(r#"{"queue": "q"}"#).is_err());
    }
}
