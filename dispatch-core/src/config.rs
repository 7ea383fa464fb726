//! Configuration of an engine as data, from code, TOML or JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, Problem};
use crate::policy::RestartPolicy;
use crate::route::Route;

/// Limits, timeouts and routes of an engine. Dispatchers are code and are registered beside it.
///
/// ```
/// use dispatch_core::EngineConfig;
///
/// let config = EngineConfig::from_toml(r#"
///     name = "orders"
///     timeout_ms = 5_000
///
///     [[routes]]
///     route_id = "audit"
///     topic_pattern = "shop.**"
///     message_category = "event"
///     dispatcher_id = "audit"
/// "#)?;
/// assert_eq!(config.routes.len(), 1);
/// assert!(EngineConfig::from_toml("time_out_ms = 1").is_err());
/// # Ok::<(), dispatch_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Name of the engine in spans and metric labels.
    pub name: String,
    /// Routes, in order of registration; those of the builder follow.
    pub routes: Vec<Route>,
    /// How long a dispatcher may take, unless it was registered with a timeout of its own.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// Most dispatches at a time; `dispatch` waits beyond it, `try_dispatch` refuses.
    pub max_in_flight: usize,
    /// Most dispatches that may lead to one another before a loop is assumed.
    pub max_hops: u16,
    /// Most outputs one dispatcher may return.
    pub max_outputs: usize,
    /// Topics with metrics of their own; the rest is counted under `other`.
    pub max_topic_metrics: usize,
    /// Slots of the topic cache.
    pub topic_cache: usize,
    /// Threads of the default blocking pool.
    pub blocking_threads: usize,
    /// Threads of further blocking pools, by name.
    pub blocking_pools: BTreeMap<String, usize>,
    /// A blocking dispatcher that takes longer is named in a warning.
    #[serde(rename = "blocking_warn_ms", with = "millis")]
    pub blocking_warn: Duration,
    /// Most calls of one blocking dispatcher that may run or wait at a time, unless it has a cap of its own.
    pub blocking_cap: usize,
    /// How dead dispatcher actors are started again.
    pub restart: RestartPolicy,
    /// An engine thread that does not move for so long is named in a warning; 0 switches the watch off.
    #[serde(rename = "stall_warn_ms", with = "millis")]
    pub stall_warn: Duration,
    /// Where outputs go.
    pub publish: PublishTo,
    /// Seed of ids; absent takes one from the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Words that make an error text unfit to be shown, beside the built-in ones.
    pub sensitive_patterns: Vec<String>,
}

/// Where the outputs of dispatchers go, as far as configuration can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishTo {
    /// Outputs are returned and nothing else, unless the builder names a publisher.
    #[default]
    Nowhere,
    /// Outputs are dispatched by the same engine.
    Engine,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            name: "engine".to_owned(),
            routes: Vec::new(),
            timeout: Duration::from_secs(30),
            max_in_flight: 65_536,
            max_hops: 16,
            max_outputs: 65_536,
            max_topic_metrics: 1000,
            topic_cache: 8192,
            blocking_threads: 64,
            blocking_pools: BTreeMap::new(),
            blocking_warn: Duration::from_millis(100),
            blocking_cap: 1024,
            restart: RestartPolicy::default(),
            stall_warn: Duration::from_secs(1),
            publish: PublishTo::Nowhere,
            seed: None,
            sensitive_patterns: Vec::new(),
        }
    }
}

impl EngineConfig {
    /// Reads TOML. Values are checked when the engine is frozen, together with everything else.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not TOML, an unknown field or a value of the wrong type.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Toml(Box::new(error)))
    }

    /// Reads JSON. Values are checked when the engine is frozen, together with everything else.
    ///
    /// # Errors
    /// [`ConfigError`] for text that is not JSON, an unknown field or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(text).map_err(ConfigError::Json)
    }

    /// Every value that is out of range.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut bad = |ok: bool, message: String| {
            if !ok {
                problems.push(Problem::new(ErrorCode::InvalidParameter, message));
            }
        };
        let not_blank = !self.name.trim().is_empty();
        bad(not_blank, "the engine's name is blank: leave it out or give one".to_owned());
        for (field, value) in [
            ("max_in_flight", self.max_in_flight),
            ("max_outputs", self.max_outputs),
            ("blocking_threads", self.blocking_threads),
            ("blocking_cap", self.blocking_cap),
            ("topic_cache", self.topic_cache),
        ] {
            bad(value > 0, format!("{field} is 0: give at least 1"));
        }
        bad(self.max_hops < u16::MAX, "max_hops is 65535: give at most 65534".to_owned());
        bad(!self.timeout.is_zero(), "timeout_ms is 0: give at least 1".to_owned());
        for (name, threads) in &self.blocking_pools {
            bad(*threads > 0, format!("blocking pool '{name}' has no threads: give at least 1"));
            bad(!name.trim().is_empty(), "a blocking pool has a blank name: give it one".to_owned());
        }
        for pattern in &self.sensitive_patterns {
            bad(
                !pattern.trim().is_empty(),
                "a sensitive pattern is blank: it would redact everything".to_owned(),
            );
        }
        problems
    }
}

/// A configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not the TOML that is wanted.
    #[error("configuration refused: {0}")]
    Toml(#[source] Box<toml::de::Error>),
    /// The text is not the JSON that is wanted.
    #[error("configuration refused: {0}")]
    Json(#[source] serde_json::Error),
}

/// A duration as whole milliseconds, for `#[serde(with = "millis")]`.
pub mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a duration; parts of a millisecond are cut off.
    ///
    /// # Errors
    /// Never by itself.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a duration.
    ///
    /// # Errors
    /// If the value is not a whole number of at least 0.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Optional durations as whole milliseconds, for `#[serde(with = "optional_millis")]`.
pub(crate) mod optional_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_round_trips() {
        let config = EngineConfig::default();
        assert!(config.problems().is_empty());
        assert_eq!(EngineConfig::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn every_bad_value_is_named() {
        let config = EngineConfig::from_toml(
            "name = ' '\nmax_in_flight = 0\ntimeout_ms = 0\nsensitive_patterns = ['']\n[blocking_pools]\ncpu = 0",
        )
        .unwrap();
        let problems: Vec<_> = config.problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(problems.join("\n"), @r"
        INVALID_PARAMETER: the engine's name is blank: leave it out or give one
        INVALID_PARAMETER: max_in_flight is 0: give at least 1
        INVALID_PARAMETER: timeout_ms is 0: give at least 1
        INVALID_PARAMETER: blocking pool 'cpu' has no threads: give at least 1
        INVALID_PARAMETER: a sensitive pattern is blank: it would redact everything
        ");
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = EngineConfig::from_toml("max_inflight = 1").unwrap_err().to_string();
        assert!(error.contains("unknown field `max_inflight`"), "{error}");
        let error = EngineConfig::from_json("{\"timeout_ms\": -1}").unwrap_err().to_string();
        assert!(error.contains("invalid value"), "{error}");
    }
}
