use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::Problem;
use rumqttc::QoS;
use serde::{Deserialize, Serialize};

use crate::tls::TlsOptions;
use crate::wire::{Checks, Form, ServerUrl, Template};

/// How sure it is that the broker gets a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum QualityOfService {
    /// 0: it is sent.
    AtMostOnce,
    /// 1: the broker says that it has it.
    #[default]
    AtLeastOnce,
    /// 2: the broker says so, and takes it once on this connection.
    ExactlyOnce,
}

impl From<QualityOfService> for u8 {
    fn from(qos: QualityOfService) -> Self {
        qos as Self
    }
}

impl TryFrom<u8> for QualityOfService {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(format!("qos {number} does not exist: use 0, 1 or 2")),
        }
    }
}

impl From<QualityOfService> for QoS {
    fn from(qos: QualityOfService) -> Self {
        match qos {
            QualityOfService::AtMostOnce => Self::AtMostOnce,
            QualityOfService::AtLeastOnce => Self::AtLeastOnce,
            QualityOfService::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

/// What an [`MqttAdapter`](super::MqttAdapter) needs to know.
///
/// ```
/// use dispatch_adapters::mqtt::MqttOptions;
///
/// let options = MqttOptions { url: "mqtt://app:hunter2@broker".into(), ..MqttOptions::default() };
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttOptions {
    /// `mqtt://user:password@host:port`, or `mqtts://` for TLS.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// The topic to publish to. It must not come out with `+` or `#`.
    pub topic: Template,
    /// What the broker confirms.
    pub qos: QualityOfService,
    /// Whether the broker keeps the message for those who subscribe later, in place of the one before.
    pub retain: bool,
    /// What the broker knows this client as; a new name for each connection if not given. Two that use one name push
    /// each other out.
    pub client_id: Option<String>,
    /// How the envelope is written.
    pub form: Form,
    /// Longest message with its properties; the broker may have a limit of its own.
    pub max_bytes: usize,
    /// How long connecting, sending and the answer may take together; in milliseconds where it is serialised.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
}

impl Default for MqttOptions {
    /// The broker on this machine; topics with slashes; QoS 1; 1 MiB; 5 s.
    fn default() -> Self {
        Self {
            url: "mqtt://127.0.0.1:1883".into(),
            tls: TlsOptions::default(),
            topic: Template::topic_path(),
            qos: QualityOfService::default(),
            retain: false,
            client_id: None,
            form: Form::default(),
            max_bytes: 1024 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}

impl MqttOptions {
    /// The schemes of a URL.
    pub(super) const SCHEMES: &[&str] = &["mqtt", "mqtts"];

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("mqtt");
        if let Some(url) = checks.url(&self.url, Self::SCHEMES) {
            checks.tls(url.scheme() == "mqtts", &self.tls, "mqtts://");
        }
        checks.timeout(self.timeout);
        // What the length of a packet can say, less the topic and the properties.
        checks.max_bytes(self.max_bytes, 256 * 1024 * 1024 - 256 * 1024);
        if let Some(id) = &self.client_id
            && (id.is_empty() || id.len() > 1_000)
        {
            checks.add(format_args!("client_id has {} bytes: use 1 to 1000, or leave it out", id.len()));
        }
        checks.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let options = MqttOptions {
            url: "tcp://u:hunter2@h".into(),
            client_id: Some(String::new()),
            max_bytes: 0,
            timeout: Duration::ZERO,
            ..MqttOptions::default()
        };
        let problems: Vec<_> = options.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: mqtt: client_id has 0 bytes: use 1 to 1000, or leave it out
        INVALID_PARAMETER: mqtt: max_bytes is 0: use 1 to 268173312
        INVALID_PARAMETER: mqtt: timeout is 0ns: use 1 ms to 60 s
        INVALID_PARAMETER: mqtt: url: its scheme must be mqtt or mqtts: write it as mqtt://host:port
        ");
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let options: MqttOptions = serde_json::from_str(r#"{"qos": 2, "retain": true}"#).unwrap();
        assert_eq!((options.qos, options.retain), (QualityOfService::ExactlyOnce, true));
        assert_eq!(serde_json::to_value(&options).unwrap()["topic"], "{topic_path}");
        let refused = serde_json::from_str::<MqttOptions>(r#"{"qos": 3}"#).unwrap_err().to_string();
        assert!(refused.contains("qos 3 does not exist: use 0, 1 or 2"), "{refused}");
        assert!(serde_json::from_str::<MqttOptions>(r#"{"broker": "h"}"#).is_err());
    }
}
