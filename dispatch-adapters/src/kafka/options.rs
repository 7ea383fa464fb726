use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use dispatch_core::{ErrorCode, RegistrationError};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use serde::{Deserialize, Serialize, Serializer};

use crate::wire::{Checks, Form, Template, referred};

/// Who has to have a message before it counts as delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KafkaAcks {
    /// Every replica in sync.
    #[default]
    All,
    /// The leader of the partition.
    Leader,
    /// Nobody: it is sent.
    None,
}

impl KafkaAcks {
    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Leader => "1",
            Self::None => "0",
        }
    }
}

/// What stands in place of a value.
const HIDDEN: &str = "[hidden]";

/// Settings of librdkafka, by their names there. A value may be `env:NAME` or `file:PATH`.
///
/// Values are shown by nothing, since one of them may be a password.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for KafkaProperties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for KafkaProperties {
    /// Writes references as they are, and `[hidden]` for every other value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |value: &String| match value.split_once(':') {
            Some(("env" | "file", _)) => value.clone(),
            _ => HIDDEN.to_owned(),
        };
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, shown(value))))
    }
}

/// What a [`KafkaAdapter`](super::KafkaAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::kafka::KafkaOptions;
///
/// let properties = [("sasl.password", "hunter2"), ("linger.ms", "20")].into_iter().collect();
/// let options = KafkaOptions { properties, ..KafkaOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaOptions {
    /// Some of the brokers, each as `host:port`; they know the others.
    pub brokers: Vec<String>,
    /// The topic to write to: 1 to 249 letters, digits, `.`, `_` and `-`.
    pub topic: Template,
    /// Who has to have a message.
    pub acks: KafkaAcks,
    /// How the envelope is written.
    pub form: Form,
    /// Longest message with its headers; brokers have a limit of their own, about 1 MiB unless configured.
    pub max_bytes: usize,
    /// How long a message may take to be confirmed; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// Further settings of librdkafka, such as `linger.ms` or `sasl.username`.
    pub properties: KafkaProperties,
}

impl Default for KafkaOptions {
    /// The broker on this machine; topics are topics; all replicas; 1,000,000 bytes; 5 s.
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            topic: Template::default(),
            acks: KafkaAcks::default(),
            form: Form::default(),
            max_bytes: 1_000_000,
            timeout: Duration::from_secs(5),
            properties: KafkaProperties::default(),
        }
    }
}

impl KafkaOptions {
    /// What the options above say, under its name in librdkafka.
    const OURS: &[&str] = &[
        "acks",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "enable.idempotence",
        "message.max.bytes",
        "message.timeout.ms",
        "metadata.broker.list",
        "request.required.acks",
    ];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("kafka");
        if self.brokers.is_empty() {
            checks.add("brokers is empty: give at least one, as host:port");
        }
        for broker in &self.brokers {
            let port = broker
                .rsplit_once(':')
                .filter(|(host, _)| !host.is_empty())
                .map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(_))) || broker.contains(['/', '@', ',', ' ']) {
                checks.add("a broker is not host:port: write it without scheme and user");
            }
        }
        checks.timeout(self.timeout);
        checks.max_bytes(self.max_bytes, 999_000_000);
        for name in self.properties.0.keys().filter(|name| Self::OURS.contains(&name.as_str())) {
            checks.add(format_args!("property '{name}' is set by the options: leave it out"));
        }
        let config = self.config();
        let tls = config.as_ref().ok().and_then(asks_for_tls).filter(|_| !has_tls());
        match config.as_ref().map(ClientConfig::create_native_config) {
            Ok(Ok(_)) => {}
            Err(problem) => checks.add(problem),
            Ok(Err(_)) if tls.is_some() => checks.add(format_args!(
                "property '{}' asks for TLS, which librdkafka was built without: add rdkafka with its feature ssl \
                 to your program, which needs OpenSSL",
                tls.unwrap_or_default()
            )),
            // The value is left out: it may be a password.
            Ok(Err(KafkaError::ClientConfig(_, _, name, _))) => {
                checks.add(format_args!("librdkafka refuses property '{name}': check its name and value"));
            }
            Ok(Err(_)) => checks.add("librdkafka refuses the properties"),
        }
        checks.problems()
    }

    /// The settings of librdkafka.
    pub(super) fn settings(&self) -> Result<ClientConfig, RegistrationError> {
        self.config()
            .map_err(|problem| Problem::new(ErrorCode::InvalidParameter, format!("kafka: {problem}")).into())
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let timeout_ms = self.timeout.as_millis().max(1);
        let mut config = ClientConfig::new();
        // What may be overridden comes first.
        config
            .set("partitioner", "murmur2_random")
            .set("reconnect.backoff.max.ms", "1000")
            // A topic that is not there is an error before the message is too old.
            .set("topic.metadata.propagation.max.ms", (timeout_ms / 2).to_string());
        for (name, value) in &self.properties.0 {
            if value == HIDDEN {
                return Err(format!(
                    "property '{name}' has its value hidden, as options are written out: give the value"
                ));
            }
            config.set(name, referred(value).map_err(|problem| format!("property '{name}': {problem}"))?);
        }
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("acks", self.acks.as_str())
            .set("enable.idempotence", (self.acks == KafkaAcks::All).to_string())
            .set("message.timeout.ms", timeout_ms.to_string())
            // What librdkafka adds has to fit as well.
            .set("message.max.bytes", (self.max_bytes.min(999_000_000) + 65_536).to_string());
        Ok(config)
    }
}

/// The property that asks for TLS, if one does.
fn asks_for_tls(config: &ClientConfig) -> Option<&'static str> {
    let protocol = config.get("security.protocol").map(str::to_ascii_lowercase);
    if protocol.is_some_and(|protocol| protocol == "ssl" || protocol == "sasl_ssl") {
        return Some("security.protocol");
    }
    let named = config.config_map().keys().any(|name| name.starts_with("ssl."));
    named.then_some("ssl.*")
}

/// Whether librdkafka was built with OpenSSL: another dependency of the program may have asked for it.
fn has_tls() -> bool {
    let native = ClientConfig::new().create_native_config();
    let features = native.and_then(|native| native.get("builtin.features"));
    features.is_ok_and(|features| features.split(',').any(|feature| feature.trim() == "ssl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = KafkaOptions {
            brokers: vec!["kafka://u:hunter2@h:1".into(), "h".into()],
            max_bytes: 0,
            timeout: Duration::ZERO,
            properties: [("acks", "0"), ("lingr.ms", "hunter2")].into_iter().collect(),
            ..KafkaOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: kafka: a broker is not host:port: write it without scheme and user
        INVALID_PARAMETER: kafka: librdkafka refuses property 'lingr.ms': check its name and value
        INVALID_PARAMETER: kafka: max_bytes is 0: use 1 to 999000000
        INVALID_PARAMETER: kafka: property 'acks' is set by the options: leave it out
        INVALID_PARAMETER: kafka: timeout is 0ns: use 1 ms to 60 s
        ");
    }

    #[test]
    fn a_wish_for_tls_is_answered_with_what_to_do() {
        for (name, value) in
            [("security.protocol", "SSL"), ("security.protocol", "sasl_ssl"), ("ssl.ca.location", "hunter2")]
        {
            let properties = [(name, value)].into_iter().collect();
            let problems = KafkaOptions { properties, ..KafkaOptions::default() }.problems();
            let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            // With OpenSSL linked in, there is nothing to say but that the file is not there.
            assert!(has_tls() || text.contains("add rdkafka with its feature ssl to your program"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn what_was_hidden_is_not_sent() {
        let properties = [("sasl.password", HIDDEN)].into_iter().collect();
        let problems = KafkaOptions { properties, ..KafkaOptions::default() }.problems();
        assert!(
            problems[0].message().ends_with("as options are written out: give the value"),
            "{problems:?}"
        );
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let text = r#"{"brokers": ["h:1"], "acks": "leader", "properties": {"sasl.password": "env:P", "linger.ms": "9"}}"#;
        let options: KafkaOptions = serde_json::from_str(text).unwrap();
        assert_eq!(options.acks, KafkaAcks::Leader);
        let shown = serde_json::to_value(&options).unwrap();
        assert_eq!(
            shown["properties"],
            serde_json::json!({"linger.ms": "[hidden]", "sasl.password": "env:P"})
        );
        assert!(serde_json::from_str::<KafkaOptions>(r#"{"url": "h"}"#).is_err());
        let missing = KafkaOptions {
            properties: [("sasl.password", "env:DISPATCH_NO_SUCH")].into_iter().collect(),
            ..options
        };
        assert!(missing.problems()[0].message().contains("'DISPATCH_NO_SUCH' is not set"));
    }
}
