use std::time::Duration;

use dispatch_core::TopicPattern;
use dispatch_core::config::millis;
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::log::Retention;
use serde::{Deserialize, Serialize};

/// Limits and intervals of a bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusConfig {
    /// Its name in logs and metrics.
    pub name: String,
    /// Patterns of topics that have no log: what is published on them is gone unless somebody is there to take it.
    pub transient: Vec<String>,
    /// Most messages of a topic that may wait to be appended; more are refused.
    pub max_waiting: usize,
    /// Most messages that are appended at once.
    pub max_batch: usize,
    /// Longest payload in bytes, as it is written; 0 sets no limit, and a payload that is no bytes yet need not be written
    /// to find out.
    pub max_payload: usize,
    /// Most subscriptions that may be open; more are refused. 0 sets no limit.
    pub max_subscriptions: usize,
    /// How often the bus looks whether something was missed.
    #[serde(rename = "heartbeat_ms", with = "millis")]
    pub heartbeat: Duration,
    /// How many envelopes of each topic are remembered, so that one that is published again is not stored again; 0 turns
    /// that off.
    pub dedup_capacity: usize,
    /// For how long they are.
    #[serde(rename = "dedup_window_ms", with = "millis")]
    pub dedup_window: Duration,
    /// How long records are kept.
    pub retention: Retention,
    /// How often records are trimmed.
    #[serde(rename = "retention_interval_ms", with = "millis")]
    pub retention_interval: Duration,
    /// An at-most-once subscription whose messages nobody takes ends when it had no consumer for so long.
    #[serde(rename = "idle_timeout_ms", with = "millis")]
    pub idle_timeout: Duration,
    /// Error texts that hold one of these are hidden, beside the built-in ones.
    pub sensitive_patterns: Vec<String>,
    /// What random delays come from; chance if absent.
    pub seed: Option<u64>,
}

impl Default for BusConfig {
    /// 65,536 waiting, batches of 4,096, 1 MiB, 500 ms, no de-duplication, nothing trimmed.
    fn default() -> Self {
        Self {
            name: "bus".to_owned(),
            transient: Vec::new(),
            max_waiting: 65_536,
            max_batch: 4_096,
            max_payload: 1024 * 1024,
            max_subscriptions: 0,
            heartbeat: Duration::from_millis(500),
            dedup_capacity: 0,
            dedup_window: Duration::from_secs(120),
            retention: Retention::default(),
            retention_interval: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            sensitive_patterns: Vec::new(),
            seed: None,
        }
    }
}

impl BusConfig {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add =
            |text: String| problems.push(Problem::new(ErrorCode::InvalidParameter, format!("bus: {text}")));
        if self.name.trim().is_empty() {
            add("name is blank: give it one".to_owned());
        }
        for pattern in &self.transient {
            if let Err(error) = pattern.parse::<TopicPattern>() {
                add(format!("transient '{pattern}': {error}"));
            }
        }
        let counts = [("max_waiting", self.max_waiting), ("max_batch", self.max_batch)];
        for (name, _) in counts.into_iter().filter(|(_, count)| *count == 0) {
            add(format!("{name} is 0: use at least 1"));
        }
        let times = [
            ("heartbeat", self.heartbeat),
            ("retention_interval", self.retention_interval),
            ("idle_timeout", self.idle_timeout),
        ];
        for (name, _) in times.into_iter().filter(|(_, time)| time.is_zero()) {
            add(format!("{name} is 0: use at least 1 ms"));
        }
        if self.sensitive_patterns.iter().any(|pattern| pattern.trim().is_empty()) {
            add("a sensitive pattern is blank, so every text would be hidden: remove it".to_owned());
        }
        problems
    }
}
