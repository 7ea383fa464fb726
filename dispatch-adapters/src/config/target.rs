use std::time::Duration;

use dispatch_core::policy::{BatchPolicy, BreakerConfig, RateLimit, RetryPolicy};
use dispatch_core::{ErrorCode, Problem};
use serde_json::{Map, Value};

use super::{Fields, TargetError, policies, syntax};
use crate::policy::InFlight;

/// A target as data: which adapter, with which options, under which policies.
///
/// It is read by an [`AdapterRegistry`](super::AdapterRegistry), or made in code. The options of the adapter are
/// checked when it is built.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TargetConfig {
    /// Which adapter: the `type`.
    pub kind: String,
    /// What logs and metrics call the target; if it is the type, as it is unless given, what the adapter calls its
    /// destination.
    pub name: String,
    /// Whether the answer comes as soon as the envelope is queued.
    pub async_: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The options of the adapter.
    pub options: Map<String, Value>,
    /// Retries.
    pub retry: Option<RetryPolicy>,
    /// The circuit breaker.
    pub circuit_breaker: Option<BreakerConfig>,
    /// The rate limit in all.
    pub rate_limit: Option<RateLimit>,
    /// The rate limit for each key.
    pub key_rate_limit: Option<RateLimit>,
    /// Most attempts at a time.
    pub max_in_flight: Option<usize>,
    /// Batches.
    pub batch: Option<BatchPolicy>,
    /// How much work an open circuit breaker holds.
    pub max_held: Option<usize>,
    /// How long an outage may last before held work pays for it with attempts.
    pub hold_for: Option<Duration>,
    /// How many envelopes the queue takes.
    pub queue: Option<usize>,
    /// How many of them are worked on at once.
    pub concurrency: Option<usize>,
    /// The target that is asked when this one does not take an envelope; bare, without policies of its own.
    pub fallback: Option<Box<Self>>,
    /// Targets for what failed for good; they have none of their own.
    pub dead_letters: Vec<Self>,
}

/// The keys that are not the adapter's.
pub(super) const KEYS: &[&str] = &[
    "type",
    "name",
    "async",
    "timeout_ms",
    "retry",
    "circuit_breaker",
    "rate_limit",
    "key_rate_limit",
    "max_in_flight",
    "batch",
    "max_held",
    "hold_for_ms",
    "queue",
    "concurrency",
    "fallback",
    "dead_letters",
];

impl TargetConfig {
    /// How long an attempt may take, unless something else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// An adapter without options and without policies.
    pub fn new(kind: impl Into<String>) -> Self {
        let kind = kind.into();
        Self {
            name: kind.clone(),
            kind,
            async_: false,
            timeout: Self::TIMEOUT,
            options: Map::new(),
            retry: None,
            circuit_breaker: None,
            rate_limit: None,
            key_rate_limit: None,
            max_in_flight: None,
            batch: None,
            max_held: None,
            hold_for: None,
            queue: None,
            concurrency: None,
            fallback: None,
            dead_letters: Vec::new(),
        }
    }

    /// Sets an option of the adapter.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// Reads one target from a TOML table.
    ///
    /// # Errors
    /// Everything that is wrong with it, apart from the options of its adapter.
    pub fn from_toml(text: &str) -> Result<Self, TargetError> {
        Self::from_value(&syntax::toml(text)?)
    }

    /// Reads one target from a JSON object.
    ///
    /// # Errors
    /// Everything that is wrong with it, apart from the options of its adapter.
    pub fn from_json(text: &str) -> Result<Self, TargetError> {
        Self::from_value(&syntax::json(text)?)
    }

    /// Reads one target.
    ///
    /// # Errors
    /// Everything that is wrong with it, apart from the options of its adapter.
    pub fn from_value(value: &Value) -> Result<Self, TargetError> {
        let mut problems = Vec::new();
        let config = Self::read(value, "target", &mut problems);
        TargetError::check(problems)?;
        Ok(config)
    }

    /// Reads a target at a place of a configuration, as far as that goes.
    pub(super) fn read(value: &Value, place: &str, problems: &mut Vec<Problem>) -> Self {
        let nothing = Map::new();
        let map = value.as_object().unwrap_or(&nothing);
        let text = |key: &str| map.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        // A name tells people more than a place.
        let whose = text("name").or(text("type")).map_or(place.to_owned(), |name| format!("target '{name}'"));
        if !value.is_object() {
            problems
                .push(Problem::new(ErrorCode::InvalidConfiguration, format!("{whose}: expected a table")));
            return Self::new("");
        }
        let (own, options): (Map<_, _>, Map<_, _>) =
            map.clone().into_iter().partition(|(key, _)| KEYS.contains(&key.as_str()));
        let mut fields = Fields::new(whose.clone(), &own);
        let kind: String = fields.required("type");
        let config = Self {
            name: fields.or("name", kind.clone()),
            kind,
            async_: fields.or("async", false),
            timeout: fields.millis("timeout_ms", Self::TIMEOUT),
            options,
            retry: policies::retry(&mut fields),
            circuit_breaker: policies::breaker(&mut fields),
            rate_limit: policies::rate(&mut fields, "rate_limit"),
            key_rate_limit: policies::rate(&mut fields, "key_rate_limit"),
            max_in_flight: fields.optional("max_in_flight"),
            batch: policies::batch(&mut fields),
            max_held: fields.optional("max_held"),
            hold_for: fields.optional("hold_for_ms").map(Duration::from_millis),
            queue: fields.optional("queue"),
            concurrency: fields.optional("concurrency"),
            fallback: None,
            dead_letters: Vec::new(),
        };
        let letters: Vec<Value> = fields.or("dead_letters", Vec::new());
        let fallback = fields.raw("fallback");
        fields.refuse_validated(config.own_problems());
        problems.append(&mut fields.finish());
        let dead_letters = letters
            .iter()
            .enumerate()
            .map(|(number, letter)| Self::read(letter, &format!("{whose}: dead_letters[{number}]"), problems))
            .collect();
        let fallback =
            fallback.map(|fallback| Box::new(Self::read(fallback, &format!("{whose}: fallback"), problems)));
        Self { fallback, dead_letters, ..config }
    }

    /// What is wrong with it, apart from its policies and the options of its adapter.
    fn own_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        if self.kind.trim().is_empty() {
            add("type is blank: name an adapter".to_owned());
        }
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(3600) {
            add(format!("timeout_ms is {}: use 1 to 3600000", self.timeout.as_millis()));
        }
        if self.max_in_flight == Some(0) {
            add("max_in_flight is 0: use at least 1, or leave it out to set no limit".to_owned());
        }
        if let Some(limit) = self.max_in_flight.filter(|limit| *limit > InFlight::MOST) {
            add(format!("max_in_flight is {limit}: use 1 to {}", InFlight::MOST));
        }
        for (name, value) in [("queue", self.queue), ("concurrency", self.concurrency)] {
            if value.is_some_and(|value| !(1..=1_000_000).contains(&value)) {
                add(format!("{name} is {}: use 1 to 1000000", value.unwrap_or_default()));
            }
        }
        problems
    }

    /// Whether it has a name of its own.
    pub(super) fn is_named(&self) -> bool {
        self.name != self.kind
    }

    /// The names of the policies that were given.
    pub(super) fn policies(&self) -> Vec<&'static str> {
        let given = [
            ("async", self.async_),
            ("retry", self.retry.is_some()),
            ("circuit_breaker", self.circuit_breaker.is_some()),
            ("rate_limit", self.rate_limit.is_some()),
            ("key_rate_limit", self.key_rate_limit.is_some()),
            ("max_in_flight", self.max_in_flight.is_some()),
            ("batch", self.batch.is_some()),
            ("max_held", self.max_held.is_some()),
            ("hold_for_ms", self.hold_for.is_some()),
            ("queue", self.queue.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("fallback", self.fallback.is_some()),
            ("dead_letters", !self.dead_letters.is_empty()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// Everything that is wrong with it, apart from the options of its adapter.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.own_problems();
        problems.extend(self.retry.iter().flat_map(RetryPolicy::problems));
        problems.extend(self.circuit_breaker.iter().flat_map(BreakerConfig::problems));
        problems.extend(self.rate_limit.iter().chain(&self.key_rate_limit).flat_map(RateLimit::problems));
        problems.extend(self.batch.iter().flat_map(BatchPolicy::problems));
        problems
    }
}

impl std::fmt::Debug for TargetConfig {
    /// Shows the names of the adapter's options and no value of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TargetConfig")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("dead_letters", &self.dead_letters)
            .finish_non_exhaustive()
    }
}
