//! The built-in types: one line each.

use std::sync::Arc;

use actix::Recipient;
use dispatch_actors::Deliver;
use dispatch_actors::messenger::Messenger;
use dispatch_core::ErrorCode;
use dispatch_core::delivery::Adapter;

use super::{AdapterRegistry, Fields};
use crate::actor::{ActorAdapter, ActorOptions};
#[cfg(feature = "amqp")]
use crate::amqp::{AmqpAdapter, AmqpOptions};
use crate::console::{ConsoleAdapter, ConsoleOptions};
use crate::file::{FileAdapter, FileOptions};
#[cfg(feature = "http")]
use crate::http::{Http, HttpOptions, HttpPool};
#[cfg(feature = "kafka")]
use crate::kafka::{KafkaAdapter, KafkaOptions};
use crate::logger::{LoggerAdapter, LoggerOptions};
use crate::messenger::MessengerTargetOptions;
#[cfg(feature = "mqtt")]
use crate::mqtt::{MqttAdapter, MqttOptions};
use crate::named::{NamedAdapter, NamedOptions, Resolver};
#[cfg(feature = "nats")]
use crate::nats::{NatsAdapter, NatsOptions};
use crate::noop::{NoopAdapter, NoopOptions};
#[cfg(feature = "postgres")]
use crate::postgres::{PostgresAdapter, PostgresOptions};
use crate::pubsub::{PubSub, PubSubAdapter, PubSubOptions};
#[cfg(feature = "redis")]
use crate::redis::{RedisAdapter, RedisOptions};
#[cfg(feature = "webhook")]
use crate::webhook::{Webhook, WebhookOptions};

type Make = fn(&mut Fields<'_>) -> Arc<dyn Adapter>;

/// Types that need nothing but options.
pub(super) const TABLE: &[(&str, Make)] = &[
    ("console", |fields| Arc::new(ConsoleAdapter::new(ConsoleOptions::read(fields)))),
    ("file", |fields| Arc::new(FileAdapter::new(FileOptions::read(fields)))),
    #[cfg(feature = "http")]
    ("http", |fields| Arc::new(Http::new(HttpOptions::read(fields)))),
    ("logger", |fields| Arc::new(LoggerAdapter::new(LoggerOptions::read(fields)))),
    ("noop", |fields| {
        NoopOptions::read(fields);
        Arc::new(NoopAdapter::new())
    }),
    #[cfg(feature = "webhook")]
    ("webhook", |fields| Arc::new(Webhook::new(WebhookOptions::read(fields)))),
    #[cfg(feature = "amqp")]
    ("amqp", |fields| {
        fields.urls_without_login("url", false);
        let options = AmqpOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(AmqpAdapter::new(options));
        or_nothing(made)
    }),
    #[cfg(feature = "kafka")]
    ("kafka", |fields| {
        fields.properties_without_secrets("properties");
        let options = KafkaOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(KafkaAdapter::new(options));
        or_nothing(made)
    }),
    #[cfg(feature = "mqtt")]
    ("mqtt", |fields| {
        fields.urls_without_login("url", false);
        let options = MqttOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(MqttAdapter::new(options));
        or_nothing(made)
    }),
    #[cfg(feature = "nats")]
    ("nats", |fields| {
        fields.urls_without_login("url", true);
        let options = NatsOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(NatsAdapter::new(options));
        or_nothing(made)
    }),
    #[cfg(feature = "postgres")]
    ("postgres", |fields| {
        fields.urls_without_login("url", false);
        let options = PostgresOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(PostgresAdapter::new(options));
        or_nothing(made)
    }),
    #[cfg(feature = "redis")]
    ("redis", |fields| {
        fields.urls_without_login("url", false);
        let options = RedisOptions { timeout: fields.timeout(), ..fields.all() };
        let made = fields.made(RedisAdapter::new(options));
        or_nothing(made)
    }),
];

/// The adapter, or one that stands for it in a target that is refused anyway.
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "mqtt",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
fn or_nothing<A: Adapter>(made: Option<A>) -> Arc<dyn Adapter> {
    match made {
        Some(adapter) => Arc::new(adapter),
        None => Arc::new(NoopAdapter::new()),
    }
}

/// What to do about a type that could be there.
pub(super) fn hint(kind: &str) -> Option<String> {
    match kind {
        "actor" => Some("hand the actor in with AdapterRegistry::with_actor()".to_owned()),
        "messenger" => Some("hand the messenger in with AdapterRegistry::with_messenger()".to_owned()),
        "named" => Some("hand the names in with AdapterRegistry::with_named()".to_owned()),
        "pubsub" => Some(
            "hand an instance in with AdapterRegistry::with_pubsub(), or a bus with with_pubsub_bus()"
                .to_owned(),
        ),
        "http" | "webhook" | "nats" | "redis" | "postgres" | "kafka" | "amqp" | "mqtt" => {
            Some(format!("switch the feature '{kind}' of dispatch-adapters on"))
        }
        _ => None,
    }
}

impl AdapterRegistry {
    /// Lets `type = "actor"` lead to an actor.
    #[must_use]
    pub fn with_actor(mut self, recipient: Recipient<Deliver>) -> Self {
        let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
            Arc::new(ActorAdapter::new(recipient.clone(), ActorOptions::read(fields)))
        };
        self.replace("actor", Arc::new(make));
        self
    }

    /// Lets `type = "named"` lead to what these names stand for.
    #[must_use]
    pub fn with_named(mut self, names: impl Resolver + Clone) -> Self {
        let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
            Arc::new(NamedAdapter::new(NamedOptions::read(fields), names.clone()))
        };
        self.replace("named", Arc::new(make));
        self
    }

    /// Lets `type = "pubsub"` publish with this instance, under the instance's name. There may be several.
    #[must_use]
    pub fn with_pubsub(mut self, pubsub: PubSub) -> Self {
        self.instances.insert(pubsub.name().to_owned(), pubsub);
        self.publish()
    }

    /// Lets `type = "pubsub"` publish through a bus, such as [`Bus::adapter`](crate::bus::Bus::adapter): all that is not
    /// `local`, whatever its instance. Other processes on its log see it, too.
    #[must_use]
    pub fn with_pubsub_bus(mut self, bus: impl Adapter) -> Self {
        self.bus = Some(Arc::new(bus));
        self.publish()
    }

    /// Lets `type = "messenger"` send through this messenger, under the messenger's name. There may be several.
    #[must_use]
    pub fn with_messenger(mut self, messenger: &Messenger) -> Self {
        self.messengers.insert(messenger.name().to_owned(), messenger.clone());
        let messengers = self.messengers.clone();
        let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
            let options = MessengerTargetOptions::read(fields);
            match messengers.get(&options.messenger) {
                Some(messenger) => Arc::new(options.adapter(messenger)),
                None => {
                    let known: Vec<_> = messengers.keys().map(String::as_str).collect();
                    let text =
                        format!("messenger: there is none of this name: use one of {}", known.join(", "));
                    fields.refuse(ErrorCode::ItemNotRegistered, &text);
                    Arc::new(NoopAdapter::new())
                }
            }
        };
        self.replace("messenger", Arc::new(make));
        self
    }

    fn publish(mut self) -> Self {
        let (instances, bus) = (self.instances.clone(), self.bus.clone());
        let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
            let options = PubSubOptions::read(fields);
            let found = instances.get(&options.instance).cloned();
            // What goes through the bus needs no instance, unless it names one.
            let is_spare = bus.is_some() && !options.local && options.instance == PubSubOptions::INSTANCE;
            if found.is_none() && !is_spare {
                let known: Vec<_> = instances.keys().map(String::as_str).collect();
                let text = match &*known {
                    [] => "hand one in with AdapterRegistry::with_pubsub()".to_owned(),
                    known => format!("use one of {}", known.join(", ")),
                };
                let text = format!("instance: there is none of this name: {text}");
                fields.refuse(ErrorCode::ItemNotRegistered, &text);
            }
            let adapter = PubSubAdapter::new(found.unwrap_or_default(), options);
            Arc::new(match &bus {
                Some(bus) => adapter.with_bus(Arc::clone(bus)),
                None => adapter,
            })
        };
        self.replace("pubsub", Arc::new(make));
        self
    }

    /// Lets `type = "http"` and `type = "webhook"` share a pool of connections: those whose option `shared_pool` is
    /// the pool's name. There may be several.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_pool(mut self, pool: &HttpPool) -> Self {
        self.pools.insert(pool.name().to_owned(), pool.clone());
        let pools = self.pools.clone();
        let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
            let options = HttpOptions::read(fields);
            let pool = options.shared_pool.as_ref().and_then(|name| pools.get(name)).cloned();
            let http = Http::new(options);
            Arc::new(match pool {
                Some(pool) => http.in_pool(&pool),
                None => http,
            })
        };
        self.replace("http", Arc::new(make));
        #[cfg(feature = "webhook")]
        {
            let pools = self.pools.clone();
            let make = move |fields: &mut Fields<'_>| -> Arc<dyn Adapter> {
                let options = WebhookOptions::read(fields);
                let pool = options.shared_pool.as_ref().and_then(|name| pools.get(name)).cloned();
                let webhook = Webhook::new(options);
                Arc::new(match pool {
                    Some(pool) => webhook.in_pool(&pool),
                    None => webhook,
                })
            };
            self.replace("webhook", Arc::new(make));
        }
        self
    }
}
