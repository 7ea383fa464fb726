use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::messenger::{Messenger, MessengerBuilder, Worker};
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_actors::{Engine, EngineBuilder, Registration, on_command};
use dispatch_core::messenger::{DispatchOptions, Message, MessengerConfig, WorkerConfig};
use dispatch_core::queue::{Depth, MemoryQueue, MessageQueue, QueueLimits};
use dispatch_core::{Category, DispatcherError, Envelope, Route};
use dispatch_tests::support::builder;
use serde_json::json;
use uuid::Uuid;

/// A queue in memory, in virtual time.
pub(crate) fn queue(name: &str) -> MemoryQueue {
    queue_with(name, QueueLimits::default())
}

pub(crate) fn queue_with(name: &str, limits: QueueLimits) -> MemoryQueue {
    MemoryQueue::new(name).with_limits(limits).with_clock(Arc::new(clock()))
}

pub(crate) fn clock() -> VirtualClock {
    VirtualClock::starting_at(start_of_time())
}

/// A messenger with one transport in memory, and retries without chance in them.
pub(crate) fn messenger() -> Messenger {
    messenger_on(Arc::new(queue("default")))
}

pub(crate) fn messenger_on(queue: Arc<dyn MessageQueue>) -> Messenger {
    messenger_at(queue, &clock())
}

/// A messenger on a clock that others have, too.
pub(crate) fn messenger_at(queue: Arc<dyn MessageQueue>, clock: &VirtualClock) -> Messenger {
    let config = config("[transports.default]\ntype = 'memory'");
    Messenger::builder()
        .config(config)
        .shared_transport("default", queue)
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap()
}

/// A messenger with several transports; the first is the default one.
pub(crate) fn messenger_with<const COUNT: usize>(
    queues: [(&str, Arc<dyn MessageQueue>); COUNT],
) -> Messenger {
    let text: Vec<_> =
        queues.iter().map(|(name, _)| format!("[transports.{name}]\ntype = 'memory'")).collect();
    let mut config = config(&text.join("\n"));
    config.default_transport = queues[0].0.to_owned();
    let builder = Messenger::builder().config(config).clock(Arc::new(clock()));
    let add = |builder: MessengerBuilder, (name, queue)| builder.shared_transport(name, queue);
    queues.into_iter().fold(builder, add).build().unwrap()
}

/// A configuration whose retries have no chance in them.
pub(crate) fn config(text: &str) -> MessengerConfig {
    let retry = "\n[retry.default]\nmax_retries = 3\njitter = 'none'";
    MessengerConfig::from_toml(&format!("{text}{retry}")).unwrap()
}

/// What handlers have seen: their names, the numbers of messages, and when, in milliseconds.
#[derive(Clone)]
pub(crate) struct Seen {
    started: tokio::time::Instant,
    seen: Arc<Mutex<Vec<(String, u64, u128)>>>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self { started: tokio::time::Instant::now(), seen: Arc::default() }
    }

    pub(crate) fn add(&self, name: &str, envelope: &Envelope) {
        let number = number(envelope);
        self.seen.lock().unwrap().push((name.to_owned(), number, self.started.elapsed().as_millis()));
    }

    pub(crate) fn all(&self) -> Vec<(String, u64, u128)> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.all().into_iter().map(|(_, number, _)| number).collect()
    }

    pub(crate) fn times(&self) -> Vec<u128> {
        self.all().into_iter().map(|(.., at)| at).collect()
    }

    /// A handler that writes down what it gets, takes so long, and then answers by what it has got.
    pub(crate) fn handler<E: Into<DispatcherError>>(
        &self,
        name: &'static str,
        takes: Duration,
        answer: impl Fn(u64) -> Result<(), E> + Clone + Send + 'static,
    ) -> Registration {
        let seen = self.clone();
        on_command(name).concurrency(1_000).run(move |envelope: Envelope| {
            seen.add(name, &envelope);
            let answer = answer.clone();
            async move {
                tokio::time::sleep(takes).await;
                answer(number(&envelope)).map_err(Into::into)
            }
        })
    }

    /// A handler that writes down what it gets, and succeeds at once.
    pub(crate) fn fine(&self, name: &'static str) -> Registration {
        self.handler(name, Duration::ZERO, |_| Ok::<_, DispatcherError>(()))
    }
}

/// The number in a message.
pub(crate) fn number(envelope: &Envelope) -> u64 {
    envelope.raw_payload().to_json().unwrap()["number"].as_u64().unwrap()
}

/// An engine whose handlers get every message.
pub(crate) fn engine(handlers: impl IntoIterator<Item = (&'static str, Registration)>) -> Engine {
    let add = |engine: EngineBuilder, (name, handler): (&'static str, Registration)| {
        engine.dispatcher(handler).route(Route::new(name, "messenger.**", Category::Command, name))
    };
    handlers.into_iter().fold(builder(), add).freeze().unwrap()
}

/// A numbered message.
pub(crate) fn message(number: u64) -> Message {
    Message::new("SendMail", &json!({ "number": number })).unwrap()
}

/// Sends a numbered message; its id.
pub(crate) async fn send(messenger: &Messenger, number: u64) -> Uuid {
    send_with(messenger, number, DispatchOptions::default()).await
}

pub(crate) async fn send_with(messenger: &Messenger, number: u64, options: DispatchOptions) -> Uuid {
    messenger.dispatch_with(message(number), &options).await.unwrap()[0].id
}

/// A worker with a configuration of its own.
pub(crate) fn work(messenger: &Messenger, engine: &Engine, change: impl FnOnce(&mut WorkerConfig)) -> Worker {
    let mut config = WorkerConfig::default();
    change(&mut config);
    messenger.work(engine, config).unwrap()
}

pub(crate) async fn depth(messenger: &Messenger) -> Depth {
    messenger.queue("default").unwrap().depth(None).await.unwrap()
}

/// Lets virtual time pass.
pub(crate) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
