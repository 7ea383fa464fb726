use std::time::Duration;

use dispatch_core::error::Problem;

use crate::log_options;
use crate::nats::NatsOptions;
use crate::tls::TlsOptions;
use crate::wire::{Checks, ServerUrl};

/// What a server can be configured to take.
const MOST_ENTRY_BYTES: usize = 64 * 1024 * 1024;

/// Where a [`JetStreamLog`](super::JetStreamLog) is, and how it makes its streams.
///
/// ```
/// use dispatch_adapters::jetstream::JetStreamLogOptions;
///
/// let options = JetStreamLogOptions::new("nats://app:hunter2@broker").with_prefix("orders");
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JetStreamLogOptions {
    /// `nats://host:port`, or `tls://` for TLS. A user without a password is a token.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// What streams and subjects begin with: 1 to 64 of `A-Z a-z 0-9 _ -`. Logs with the same prefix are one log.
    pub prefix: String,
    /// What logs, metrics and errors call it.
    pub name: String,
    /// How long the server may take for one answer.
    pub timeout: Duration,
    /// Most bytes of an entry as it is stored; the server has a limit of its own, 1 MiB unless configured.
    pub max_entry_bytes: usize,
    /// Most bytes of a topic, for streams that are made from now on; more is refused as
    /// [`Full`](dispatch_core::log::LogError::Full). `None` leaves it to the server.
    pub max_topic_bytes: Option<u64>,
    /// Servers that keep each stream, for streams that are made from now on: 1 to 5.
    pub replicas: usize,
    /// An envelope whose id was appended to the topic this short a time ago is not stored again, whoever appended it:
    /// its append is answered with the first one's offset. `None` stores every entry. For streams that are made from now
    /// on.
    pub deduplicate: Option<Duration>,
}

impl JetStreamLogOptions {
    /// A log at a server: prefix `dispatch`, 5 s, 1 MiB, one replica, every entry stored.
    pub fn new(url: impl Into<ServerUrl>) -> Self {
        Self {
            url: url.into(),
            tls: TlsOptions::default(),
            prefix: "dispatch".to_owned(),
            name: "jetstream".to_owned(),
            timeout: Duration::from_secs(5),
            max_entry_bytes: 1024 * 1024,
            max_topic_bytes: None,
            replicas: 1,
            deduplicate: None,
        }
    }

    /// Sets whose certificates are trusted.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// Sets what streams and subjects begin with.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets what logs, metrics and errors call it.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how long the server may take for one answer.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the most bytes of an entry.
    #[must_use]
    pub const fn with_max_entry_bytes(mut self, bytes: usize) -> Self {
        self.max_entry_bytes = bytes;
        self
    }

    /// Sets the most bytes of a topic.
    #[must_use]
    pub const fn with_max_topic_bytes(mut self, bytes: u64) -> Self {
        self.max_topic_bytes = Some(bytes);
        self
    }

    /// Sets how many servers keep each stream.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Stores an envelope once within a time.
    #[must_use]
    pub const fn with_deduplication(mut self, window: Duration) -> Self {
        self.deduplicate = Some(window);
        self
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("jetstream");
        if let Some(url) = checks.url(&self.url, NatsOptions::SCHEMES) {
            checks.tls(url.scheme() == "tls", &self.tls, "tls://");
        }
        checks.timeout(self.timeout);
        let common = log_options::problems(&self.name, self.max_entry_bytes, MOST_ENTRY_BYTES);
        common.iter().for_each(|problem| checks.add(problem));
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.chars().all(fits) {
            checks.add(format_args!("prefix '{}' is not one: use 1 to 64 of A-Z a-z 0-9 _ -", self.prefix));
        }
        if !(1..=5).contains(&self.replicas) {
            checks.add(format_args!("replicas is {}: use 1 to 5", self.replicas));
        }
        if self.max_topic_bytes.is_some_and(|bytes| bytes == 0 || i64::try_from(bytes).is_err()) {
            checks.add(format_args!("max_topic_bytes has to be 1 to {}", i64::MAX));
        }
        if self.deduplicate.is_some_and(|window| window < Duration::from_millis(100)) {
            checks.add("deduplicate is too short: use 100 ms or more, or leave it out");
        }
        checks.problems()
    }

    /// What the connection is made with.
    pub(super) fn connection(&self) -> NatsOptions {
        NatsOptions {
            url: self.url.clone(),
            tls: self.tls.clone(),
            timeout: self.timeout,
            jetstream: true,
            ..NatsOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = JetStreamLogOptions::new("http://u:hunter2@h")
            .with_prefix("a.b")
            .with_name(" ")
            .with_timeout(Duration::ZERO)
            .with_max_entry_bytes(0)
            .with_max_topic_bytes(0)
            .with_replicas(0)
            .with_deduplication(Duration::ZERO);
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: jetstream: deduplicate is too short: use 100 ms or more, or leave it out
        INVALID_PARAMETER: jetstream: max_entry_bytes is 0: use 1 to 67108864
        INVALID_PARAMETER: jetstream: max_topic_bytes has to be 1 to 9223372036854775807
        INVALID_PARAMETER: jetstream: name is blank: give one, or leave it out
        INVALID_PARAMETER: jetstream: prefix 'a.b' is not one: use 1 to 64 of A-Z a-z 0-9 _ -
        INVALID_PARAMETER: jetstream: replicas is 0: use 1 to 5
        INVALID_PARAMETER: jetstream: timeout is 0ns: use 1 ms to 60 s
        INVALID_PARAMETER: jetstream: url: its scheme must be nats or tls: write it as nats://host:port
        ");
    }
}
