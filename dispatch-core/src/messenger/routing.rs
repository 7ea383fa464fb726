use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::name::shown;
use super::nesting;
use super::tiers::Tiers;
use super::{
    DispatchOptions, Duplicates, Idempotency, IdempotencyKey, Message, MessageType, MessengerConfig,
    MessengerError, MessengerErrorCode, Name, Priority, QueuedMessage,
};
use crate::policy::{RateLimit, RetryPolicy};
use crate::time::is_writable;
use crate::topic::{Topic, TopicError};

mod people;

/// A configuration that was checked: where a message goes.
#[derive(Debug, Clone)]
pub struct Routing {
    default_transport: Name,
    default_priority: Priority,
    tiers: Option<Tiers>,
    transports: BTreeMap<Name, Settings>,
    routes: BTreeMap<MessageType, Vec<Name>>,
    topics: BTreeMap<MessageType, Topic>,
    retry: BTreeMap<MessageType, RetryPolicy>,
    dedup_window: Duration,
    duplicates: Duplicates,
}

#[derive(Debug, Clone)]
struct Settings {
    queue: Name,
    priority: Priority,
    idempotency: Idempotency,
    rates: Rates,
}

/// How fast each worker begins with messages of a transport; as fast as it can where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// All of them together.
    pub all: Option<RateLimit>,
    /// Those of each ordering key.
    pub per_key: Option<RateLimit>,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.all, self.per_key) {
            (None, None) => f.write_str("-"),
            (Some(all), None) => write!(f, "{all}"),
            (None, Some(per_key)) => write!(f, "a key {per_key}"),
            (Some(all), Some(per_key)) => write!(f, "{all}; a key {per_key}"),
        }
    }
}

/// One place that a message goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The transport.
    pub transport: Name,
    /// Its queue.
    pub queue: Name,
    /// How soon it is handled there.
    pub priority: Priority,
}

impl Routing {
    /// The route or retry policy of types that have none of their own.
    pub(super) const DEFAULT: &str = "default";

    /// What a configuration without problems says.
    pub(super) fn of(config: &MessengerConfig) -> Result<Self, MessengerError> {
        let queue = Name::new(&config.default_queue)?;
        let priority = Priority::try_from(config.default_priority)?;
        let transports = config.transports.iter().map(|(name, transport)| {
            let settings = Settings {
                queue: transport.queue.as_ref().map_or(Ok(queue.clone()), Name::new)?,
                priority: transport.priority.map_or(Ok(priority), Priority::try_from)?,
                idempotency: transport.idempotency.unwrap_or(config.idempotency),
                rates: Rates { all: transport.rate_limit, per_key: transport.key_rate_limit },
            };
            Ok((Name::new(name)?, settings))
        });
        let routes = config.routing.iter().map(|(message_type, route)| {
            let route = route.iter().map(Name::new).collect::<Result<_, _>>()?;
            Ok((MessageType::new(message_type)?, route))
        });
        let retry = config
            .retry
            .iter()
            .map(|(message_type, policy)| Ok((MessageType::new(message_type)?, policy.clone())));
        let refused =
            |error: TopicError| MessengerError::new(MessengerErrorCode::Configuration, error.to_string());
        let topics = config.topics.iter().map(|(message_type, topic)| {
            Ok((MessageType::new(message_type)?, Topic::new(topic).map_err(refused)?))
        });
        Ok(Self {
            default_transport: Name::new(&config.default_transport)?,
            default_priority: priority,
            tiers: config.priority_tiers.as_ref().map(Tiers::of).transpose()?,
            transports: transports.collect::<Result<_, MessengerError>>()?,
            routes: routes.collect::<Result<_, MessengerError>>()?,
            topics: topics.collect::<Result<_, MessengerError>>()?,
            retry: retry.collect::<Result<_, MessengerError>>()?,
            dedup_window: config.dedup_window,
            duplicates: config.duplicates,
        })
    }

    /// The names of the transports, sorted.
    pub fn transports(&self) -> impl Iterator<Item = &Name> {
        self.transports.keys()
    }

    /// The transports of a message type, in the order of its route, if no options say otherwise.
    #[must_use]
    pub fn transports_of(&self, message_type: &MessageType) -> &[Name] {
        self.transports_at(message_type, self.default_priority)
    }

    /// The transports of a message type: its route, else the tier of a priority, else the default one.
    fn transports_at(&self, message_type: &MessageType, priority: Priority) -> &[Name] {
        let route = self.routes.get(message_type).map(Vec::as_slice);
        route
            .or_else(|| self.tiers.as_ref().and_then(|tiers| tiers.transport(tiers.tier(priority))))
            .unwrap_or(std::slice::from_ref(&self.default_transport))
    }

    /// The retries of a message type.
    #[must_use]
    pub fn retry_of(&self, message_type: &MessageType) -> RetryPolicy {
        let policy = self.retry.get(message_type).or_else(|| self.retry.get(Self::DEFAULT));
        policy.cloned().unwrap_or_default()
    }

    /// How fast each worker begins with messages of a transport; `None` if it is not configured.
    #[must_use]
    pub fn rates_of(&self, transport: &str) -> Option<Rates> {
        self.transports.get(transport).map(|settings| settings.rates)
    }

    /// How long a key is remembered.
    #[must_use]
    pub const fn dedup_window(&self) -> Duration {
        self.dedup_window
    }

    /// What happens to a message whose key is stored already.
    #[must_use]
    pub fn duplicates(&self, options: &DispatchOptions) -> Duplicates {
        options.duplicates.unwrap_or(self.duplicates)
    }

    /// Where a message of a type goes, in order.
    ///
    /// # Errors
    /// Every option that is not valid; else the transports that nobody has configured.
    pub fn place(
        &self,
        message_type: &MessageType,
        options: &DispatchOptions,
    ) -> Result<Vec<Placement>, MessengerError> {
        MessengerError::check(MessengerErrorCode::MessageValidation, problems(options))?;
        let queue = options.queue.as_ref().map(Name::new).transpose()?;
        let priority = options.priority.map(Priority::try_from).transpose()?;
        let wanted: Vec<&str> = match &options.transports {
            Some(given) => given.iter().map(String::as_str).collect(),
            None => {
                let priority = priority.unwrap_or(self.default_priority);
                self.transports_at(message_type, priority).iter().map(Name::as_str).collect()
            }
        };
        let unknown = wanted.iter().filter(|name| !self.transports.contains_key(**name));
        let known = || self.transports.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let unknown =
            unknown.map(|name| format!("'{}' is no transport: use one of {}", shown(name), known()));
        MessengerError::check(MessengerErrorCode::Configuration, unknown.collect())?;
        let found = wanted.iter().filter_map(|name| self.transports.get_key_value(*name));
        let place = |(transport, settings): (&Name, &Settings)| Placement {
            transport: transport.clone(),
            queue: queue.clone().unwrap_or_else(|| settings.queue.clone()),
            priority: priority.unwrap_or(settings.priority),
        };
        Ok(found.map(place).collect())
    }

    /// What is stored of a message, for each transport that it goes to, if it is sent at `now`.
    ///
    /// # Errors
    /// Like [`place`](Self::place); also for times after the year 9999, for a payload or metadata that are nested too
    /// [deep](QueuedMessage::DEEPEST), and for a type or a queue that makes no [topic](QueuedMessage::topic) of a command.
    pub fn plan(
        &self,
        message: &Message,
        options: &DispatchOptions,
        now: SystemTime,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<Vec<QueuedMessage>, MessengerError> {
        let mut problems = problems(options);
        let due = options.delay.map(|delay| later(now, delay, "delay"));
        let due = due.map(|due| due.map_err(|problem| problems.push(problem)).ok());
        let scheduled_at = options.scheduled_at.or(due.flatten());
        let available_at = scheduled_at.map_or(now, |at| at.max(now));
        let expires_at = options.ttl.map(|ttl| later(available_at, ttl, "ttl"));
        let expires_at = expires_at.and_then(|end| end.map_err(|problem| problems.push(problem)).ok());
        let nested =
            [(&message.payload, "payload"), (&options.metadata, "metadata"), (&message.metadata, "metadata")];
        let nested = nested.into_iter().filter_map(|(members, part)| nesting::check(members, part).err());
        problems.extend(nested.map(|error| error.to_string()));
        MessengerError::check(MessengerErrorCode::MessageValidation, problems)?;

        let places = self.place(&message.message_type, options)?;
        let key = options.idempotency_key.as_ref().map(IdempotencyKey::new).transpose()?;
        let mut metadata = message.metadata.clone();
        metadata.extend(options.metadata.clone());
        let correlation_id = new_id();
        let queue_up = |Placement { transport, queue, priority }| {
            let id = new_id();
            let auto = || {
                let settings = self.transports.get(&transport)?;
                (options.idempotency.unwrap_or(settings.idempotency) == Idempotency::Auto).then(|| {
                    IdempotencyKey::of_content(&message.message_type, &message.payload, &transport, &queue)
                })
            };
            QueuedMessage {
                id,
                correlation_id,
                message_type: message.message_type.clone(),
                payload: message.payload.clone(),
                metadata: metadata.clone(),
                headers: headers(message, options, id, now),
                idempotency_key: key.clone().or_else(auto),
                transport,
                queue,
                priority,
                scheduled_at,
                available_at,
                expires_at,
                ordering_key: options.ordering_key.clone(),
                topic: self.topics.get(&message.message_type).cloned(),
                carried: None,
            }
        };
        let planned: Vec<_> = places.into_iter().map(queue_up).collect();
        let problems: BTreeSet<_> = planned.iter().filter_map(QueuedMessage::topic_problem).collect();
        MessengerError::check(MessengerErrorCode::MessageValidation, problems.into_iter().collect())?;
        Ok(planned)
    }
}

/// A time that much later, if it can be written down.
fn later(from: SystemTime, by: Duration, what: &str) -> Result<SystemTime, String> {
    let later = from.checked_add(by).filter(|at| is_writable(*at));
    later.ok_or_else(|| format!("{what} is {by:?}, which is over after the year 9999: use less"))
}

/// What is wrong with options, whatever the configuration.
fn problems(options: &DispatchOptions) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(options.queue.as_deref().and_then(Name::problem).map(|text| format!("queue: {text}")));
    problems.extend(options.priority.and_then(Priority::problem));
    problems.extend(options.idempotency_key.as_deref().and_then(IdempotencyKey::problem));
    let transports = options.transports.iter().flatten();
    problems
        .extend(transports.filter_map(|name| Name::problem(name)).map(|text| format!("transports: {text}")));
    if options.transports.as_ref().is_some_and(Vec::is_empty) {
        problems.push("transports is empty: name one, or leave the option out".to_owned());
    }
    if let Some(given) = &options.transports {
        let twice =
            given.iter().enumerate().filter(|(place, name)| given.iter().take(*place).any(|it| it == *name));
        problems.extend(
            twice.map(|(_, name)| format!("transports: '{}' is listed twice: leave one out", shown(name))),
        );
    }
    if options.scheduled_at.is_some() && options.delay.is_some() {
        problems.push("scheduled_at and delay exclude each other: give one of them".to_owned());
    }
    if options.scheduled_at.is_some_and(|at| !is_writable(at)) {
        problems.push("scheduled_at is outside the years -9999 to 9999: use another time".to_owned());
    }
    if options.ttl.is_some_and(|ttl| ttl.is_zero()) {
        problems.push("ttl is 0: use at least 1 ms, or leave it out".to_owned());
    }
    if options.ordering_key.as_ref().is_some_and(String::is_empty) {
        problems.push("ordering_key is empty: give it a value, or leave it out".to_owned());
    }
    let breaks = |text: &str| text.chars().any(char::is_control);
    for (name, value) in &options.headers {
        if name.is_empty() || breaks(name) || breaks(value) {
            problems.push(format!("header '{}': give it a name, and no control characters", shown(name)));
        }
    }
    problems
}

/// The headers of the options under those that are set by themselves.
fn headers(
    message: &Message,
    options: &DispatchOptions,
    id: Uuid,
    now: SystemTime,
) -> BTreeMap<String, String> {
    let own = [
        (QueuedMessage::TYPE_HEADER, message.message_type.to_string()),
        (QueuedMessage::ID_HEADER, id.to_string()),
        (QueuedMessage::DISPATCHED_HEADER, crate::time::millis_text(now)),
    ];
    let is_own = |name: &str| own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let given = options.headers.iter().filter(|(name, _)| !is_own(name));
    let mut headers: BTreeMap<_, _> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    headers
}
