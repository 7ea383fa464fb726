use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::name::shown;
use super::options::one_or_many;
use super::{
    ConfigLayers, Duplicates, MessageType, MessengerError, MessengerErrorCode, Name, Priority, PriorityTiers,
    Routing, WorkerConfig, layers, staff,
};
use crate::config::millis;
use crate::policy::{RateLimit, RetryPolicy};
use crate::topic::{Category, Topic};

/// Whatever is remembered for longer is remembered for good; and no time that ends such a window is beyond all clocks.
const LONGEST_WINDOW: Duration = Duration::from_secs(100 * 366 * 24 * 3_600);

/// Transports, and which messages go where, as data: from code, TOML or JSON.
///
/// Values are as they were given until [`check`](Self::check) makes a [`Routing`] of them. Without any there are the
/// transports `sync` and `default`; whoever names transports has those and no others.
///
/// ```
/// use dispatch_core::messenger::MessengerConfig;
///
/// let config = MessengerConfig::from_toml(r#"
///     default_transport = "main"
///
///     [transports.main]
///     type = "embedded"
///
///     [transports.mail]
///     type = "embedded"
///     queue = "mail"
///     priority = 7
///
///     [routing]
///     SendMail = "mail"
///     OrderPlaced = ["main", "mail"]
/// "#)?;
/// let routing = config.check()?;
/// # assert_eq!(routing.transports().count(), 2);
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessengerConfig {
    /// Where messages go whose type has no route.
    pub default_transport: String,
    /// The queue of transports that name none.
    pub default_queue: String,
    /// The priority of transports that name none; 1 to 10.
    pub default_priority: i64,
    /// Transports by name.
    pub transports: BTreeMap<String, TransportConfig>,
    /// The transports of message types; all of them get a message.
    #[serde(deserialize_with = "routes")]
    pub routing: BTreeMap<String, Vec<String>>,
    /// Which transports have the types without a route, by priority; absent sends them all to the default transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_tiers: Option<PriorityTiers>,
    /// The topics on which messages are dispatched to their handlers, by message type; the others are dispatched on
    /// `messenger.<queue>.commands.<type>`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<String, String>,
    /// Retries by message type; `default` for the others.
    pub retry: BTreeMap<String, RetryPolicy>,
    /// How long a key is remembered; in milliseconds where it is serialised.
    #[serde(rename = "dedup_window_ms", with = "millis")]
    pub dedup_window: Duration,
    /// Where keys come from.
    pub idempotency: Idempotency,
    /// What happens to a message whose key is stored already.
    pub duplicates: Duplicates,
    /// Workers by name, wherever they run. If there are any, each transport needs one of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub workers: BTreeMap<String, WorkerConfig>,
}

/// One transport.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransportConfig {
    /// What it is, such as `memory`, `embedded` or `postgres`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its queue, unless a message names another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Its priority, unless a message names another; 1 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Where keys come from, unless it is as everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// Most messages that each worker begins with; as many as it can if absent. Beyond some hundred a second give it a
    /// burst of what comes in 10 ms, since a worker does not wake up more often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Most messages of each ordering key that each worker begins with. One that is over it is handed back until its time,
    /// without an attempt, and stays in front of its key; others go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rate_limit: Option<RateLimit>,
    /// Options of its type.
    #[serde(flatten)]
    pub options: Map<String, Value>,
}

/// Where the idempotency keys of messages come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Only from the options of a message: without one nothing is taken for a duplicate.
    #[default]
    Explicit,
    /// From what a message says, if its options have none.
    Auto,
}

impl Default for MessengerConfig {
    fn default() -> Self {
        let transport = |kind: &str| TransportConfig { kind: kind.to_owned(), ..TransportConfig::default() };
        Self {
            default_transport: "default".to_owned(),
            default_queue: "default".to_owned(),
            default_priority: i64::from(Priority::DEFAULT),
            transports: [("default", "embedded"), ("sync", "sync")]
                .map(|(name, kind)| (name.to_owned(), transport(kind)))
                .into(),
            routing: BTreeMap::new(),
            priority_tiers: None,
            topics: BTreeMap::new(),
            retry: BTreeMap::new(),
            dedup_window: Duration::from_secs(24 * 3600),
            idempotency: Idempotency::Explicit,
            duplicates: Duplicates::ReturnExisting,
            workers: BTreeMap::new(),
        }
    }
}

/// What is wrong with the name of a queue. It is a part of topics, which have to be those of commands.
fn queue_problem(name: &str) -> Option<String> {
    let takes = || Category::of_topic(&format!("{name}.commands")) == Some(Category::Command);
    Name::problem(name).or_else(|| {
        (!takes()).then(|| {
            format!("name '{name}': topics with this segment are not those of commands: use another name")
        })
    })
}

impl MessengerConfig {
    /// Reads TOML. A member `profile` names the [`Profile`](super::Profile) that the rest is put over.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown member or a value of the wrong type.
    pub fn from_toml(text: &str) -> Result<Self, MessengerError> {
        ConfigLayers::new().toml(text)?.read()
    }

    /// Reads JSON. A member `profile` names the [`Profile`](super::Profile) that the rest is put over.
    ///
    /// # Errors
    /// Text that is not JSON, an unknown member or a value of the wrong type.
    pub fn from_json(text: &str) -> Result<Self, MessengerError> {
        ConfigLayers::new().json(text)?.read()
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Every problem at once, sorted.
    pub fn check(&self) -> Result<Routing, MessengerError> {
        MessengerError::check(MessengerErrorCode::Configuration, self.problems())?;
        Routing::of(self)
    }

    /// Everything that is wrong, but for what a type of transports says of its own options.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let known = |name: &str| self.transports.contains_key(name);
        let all = || self.transports.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        problems.extend(queue_problem(&self.default_queue).map(|text| format!("default_queue: {text}")));
        problems.extend(Priority::problem(self.default_priority).map(|text| format!("default_{text}")));
        if !known(&self.default_transport) {
            let name = shown(&self.default_transport);
            problems.push(format!("default_transport '{name}' is no transport: use one of {}", all()));
        }
        for (name, transport) in &self.transports {
            let whose = |text| format!("transport '{}': {text}", shown(name));
            problems.extend(Name::problem(name).map(whose));
            if transport.kind.trim().is_empty() {
                problems.push(whose("type is missing: say what it is, such as 'embedded'".to_owned()));
            }
            let queue = transport.queue.as_deref().and_then(queue_problem);
            problems.extend(queue.map(|text| whose(format!("queue: {text}"))));
            problems.extend(transport.priority.and_then(Priority::problem).map(whose));
            let limits = [("rate_limit", transport.rate_limit), ("key_rate_limit", transport.key_rate_limit)];
            for (member, limit) in limits {
                let found = limit.iter().flat_map(RateLimit::problems).collect::<Vec<_>>();
                problems.extend(found.iter().map(|problem| {
                    whose(format!("{member}: {}", problem.message().trim_start_matches("rate limit: ")))
                }));
            }
        }
        for (message_type, route) in &self.routing {
            let whose = |text| format!("route of '{}': {text}", shown(message_type));
            problems.extend(MessageType::problem(message_type).map(whose));
            if route.is_empty() {
                problems.push(whose("it is empty: name a transport, or leave the route out".to_owned()));
            }
            for name in route.iter().filter(|name| !known(name)) {
                problems.push(whose(format!("'{}' is no transport: use one of {}", shown(name), all())));
            }
            let twice = route
                .iter()
                .enumerate()
                .filter(|(place, name)| route.iter().take(*place).any(|it| it == *name));
            problems.extend(
                twice.map(|(_, name)| whose(format!("'{}' is listed twice: leave one out", shown(name)))),
            );
        }
        problems.extend(self.priority_tiers.iter().flat_map(|tiers| tiers.problems(known, &all())));
        for (message_type, topic) in &self.topics {
            let whose = |text| format!("topic of '{}': {text}", shown(message_type));
            problems.extend(MessageType::problem(message_type).map(whose));
            problems.extend(match Topic::new(topic) {
                Err(error) => Some(whose(error.to_string())),
                Ok(topic) if topic.category().is_none() => Some(whose(format!(
                    "'{topic}' has no category: give it a segment 'commands', 'events' or 'intents'"
                ))),
                Ok(_) => None,
            });
        }
        for (message_type, policy) in &self.retry {
            let whose = |text| format!("retry of '{}': {text}", shown(message_type));
            problems.extend(MessageType::problem(message_type).map(whose));
            problems.extend(
                policy
                    .problems()
                    .iter()
                    .map(|problem| whose(problem.message().trim_start_matches("retry: ").to_owned())),
            );
        }
        if self.dedup_window.is_zero() {
            problems.push("dedup_window is 0: use at least 1 ms".to_owned());
        }
        problems.extend(staff::problems(self));
        if self.dedup_window > LONGEST_WINDOW {
            problems.push(format!("dedup_window is {:?}: use at most 100 years", self.dedup_window));
        }
        problems
    }

    /// The worker of a name, with the transports that it takes from: all of them, the default one first, if it names none.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<WorkerConfig> {
        self.workers.get(name).map(|worker| staff::all_transports(worker, self))
    }

    /// This configuration with another over it. Members that are given win: transports, routes and workers by name, retries and tiers
    /// by name and member. What is `null` of them is removed.
    ///
    /// # Errors
    /// That the other is no configuration, or that it removes the default retry.
    pub fn set(&self, over: &Value) -> Result<Self, MessengerError> {
        let mut whole = serde_json::to_value(self).map_err(|error| refuse(error.to_string()))?;
        layers::merge(&mut whole, over)?;
        Self::deserialize(whole).map_err(|error| refuse(error.to_string()))
    }

    /// Removes a transport; `false` if there is none of this name.
    ///
    /// # Errors
    /// That it is the default one. Routes and tiers that name it are a problem of their own, which
    /// [`check`](Self::check) tells.
    pub fn remove_transport(&mut self, name: &str) -> Result<bool, MessengerError> {
        if self.default_transport == name {
            let name = shown(name);
            return Err(refuse(format!(
                "'{name}' is the default transport: make another one the default before you remove it"
            )));
        }
        Ok(self.transports.remove(name).is_some())
    }

    /// Removes the route of a type; `false` if it has none.
    pub fn remove_route(&mut self, message_type: &str) -> bool {
        self.routing.remove(message_type).is_some()
    }

    /// Removes the retries of a type, so that it has the default ones; `false` if it has none of its own.
    ///
    /// # Errors
    /// That it is the default retry.
    pub fn remove_retry(&mut self, message_type: &str) -> Result<bool, MessengerError> {
        if message_type == Routing::DEFAULT {
            return Err(layers::no_default_retry());
        }
        Ok(self.retry.remove(message_type).is_some())
    }
}

pub(super) fn refuse(text: String) -> MessengerError {
    MessengerError::new(MessengerErrorCode::Configuration, text)
}

/// Routes, each one transport or a list of them.
fn routes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Route(#[serde(deserialize_with = "one_or_many")] Option<Vec<String>>);

    let routes = BTreeMap::<String, Route>::deserialize(deserializer)?;
    Ok(routes.into_iter().map(|(name, Route(route))| (name, route.unwrap_or_default())).collect())
}
