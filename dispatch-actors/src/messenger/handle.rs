use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dispatch_core::Adapter;
use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerConfig, MessengerError, MessengerErrorCode, QueuedMessage, Routing,
    WorkerConfig,
};
use dispatch_core::queue::MessageQueue;
use dispatch_core::time::Clock;
use futures_util::future::join_all;
use uuid::Uuid;

use super::active::{Active, Configured};
use super::metrics::{Roster, SendMeter};
use super::{BatchResult, Dispatched, MessengerBuilder, Sent, Worker, WorkerOptions};
use crate::Engine;

/// Sends background messages, and looks after those that were sent.
///
/// It is cheap to clone and can be used from any thread and any runtime.
#[derive(Clone)]
pub struct Messenger {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) configured: Configured,
    pub(super) queues: BTreeMap<String, Arc<dyn MessageQueue>>,
    pub(super) clock: Arc<dyn Clock>,
    /// What it is called in metrics.
    pub(super) name: String,
    /// What became of what was sent, by transport.
    pub(super) meters: BTreeMap<String, SendMeter>,
    pub(super) roster: Roster,
    /// Who is told of messages that have failed.
    pub(super) dead_letters: Option<Arc<dyn Adapter>>,
}

/// What a messenger is made of beside its configuration and its queues.
pub(super) struct Others {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) name: String,
    pub(super) dead_letters: Option<Arc<dyn Adapter>>,
}

impl Messenger {
    /// Begins to build a messenger.
    pub fn builder() -> MessengerBuilder {
        MessengerBuilder::new()
    }

    pub(super) fn new(
        config: MessengerConfig,
        routing: Routing,
        queues: BTreeMap<String, Arc<dyn MessageQueue>>,
        others: Others,
    ) -> Self {
        let meters = queues.keys().map(|name| (name.clone(), SendMeter::default())).collect();
        let Others { clock, name, dead_letters } = others;
        let configured = Configured::new(config, routing);
        let shared =
            Shared { configured, queues, clock, name, meters, roster: Roster::default(), dead_letters };
        Self { shared: Arc::new(shared) }
    }

    /// Sends a message where its type goes.
    ///
    /// # Errors
    /// Everything that is wrong with it, before anything is sent; or what a transport said that does not have it, with
    /// those that have it.
    pub async fn dispatch(&self, message: Message) -> Result<Vec<Sent>, MessengerError> {
        self.dispatch_with(message, &DispatchOptions::default()).await
    }

    /// Sends a message with options of its own.
    ///
    /// # Errors
    /// As for [`dispatch`](Self::dispatch).
    pub async fn dispatch_with(
        &self,
        message: Message,
        options: &DispatchOptions,
    ) -> Result<Vec<Sent>, MessengerError> {
        self.send_one(&message, options).await?.all()
    }

    /// Sends a message to these transports side by side, whatever its route; one result per transport.
    ///
    /// # Errors
    /// Everything that is wrong with it, before anything is sent.
    pub async fn dispatch_to<T: Into<String>>(
        &self,
        message: Message,
        transports: impl IntoIterator<Item = T>,
    ) -> Result<Dispatched, MessengerError> {
        self.send_one(&message, &DispatchOptions::default().with_transports(transports)).await
    }

    /// Sends messages; one result per message, in their order. Whatever is wrong with one of them, the others are sent.
    pub async fn dispatch_batch(
        &self,
        items: impl IntoIterator<Item = (Message, DispatchOptions)>,
    ) -> BatchResult {
        let active = self.active();
        let now = self.shared.clock.now();
        let plan = |(message, options): (Message, DispatchOptions)| {
            let planned = active.routing.plan(&message, &options, now, Uuid::now_v7)?;
            Ok(planned.into_iter().map(|message| active.submission(message, &options)).collect())
        };
        self.send_planned(items.into_iter().map(plan)).await
    }

    /// Sends one message to all of its transports side by side.
    pub(super) async fn send_one(
        &self,
        message: &Message,
        options: &DispatchOptions,
    ) -> Result<Dispatched, MessengerError> {
        let active = self.active();
        let planned = active.routing.plan(message, options, self.shared.clock.now(), Uuid::now_v7)?;
        let correlation_id = planned.first().map_or_else(Uuid::nil, |message| message.correlation_id);
        let sends = planned.into_iter().map(|message| {
            let transport = message.transport.clone();
            self.send_many(transport, vec![(0, active.submission(message, options))])
        });
        let answers = join_all(sends).await.into_iter().flatten();
        let transports = answers.map(|(_, transport, answer)| (transport, answer)).collect();
        Ok(Dispatched { correlation_id, transports })
    }

    /// Starts a worker on this thread: it takes messages from transports and dispatches them into an engine. Without
    /// transports in its configuration it works on all that there are, the default one first.
    ///
    /// # Errors
    /// Every problem of the configuration, and transports that are not there.
    pub fn work(&self, engine: &Engine, config: WorkerConfig) -> Result<Worker, MessengerError> {
        self.work_with(engine, config, WorkerOptions::default())
    }

    /// Starts a worker with what is code, not configuration.
    ///
    /// # Errors
    /// As for [`work`](Self::work).
    pub fn work_with(
        &self,
        engine: &Engine,
        config: WorkerConfig,
        options: WorkerOptions,
    ) -> Result<Worker, MessengerError> {
        Worker::start(self.clone(), engine.clone(), self.complete(config), options)
    }

    /// Starts a worker of the configuration on this thread, by its name there.
    ///
    /// # Errors
    /// That there is none of this name.
    pub fn work_as(&self, engine: &Engine, name: &str) -> Result<Worker, MessengerError> {
        let active = self.active();
        let Some(config) = active.config.worker(name) else {
            let known: Vec<_> = active.config.workers.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
            let problem =
                format!("'{name}' is no worker of the configuration: use one of its workers ({known})");
            return Err(MessengerError::new(MessengerErrorCode::Configuration, problem));
        };
        self.work(engine, config)
    }

    fn complete(&self, mut config: WorkerConfig) -> WorkerConfig {
        if config.transports.is_empty() {
            let default = self.active().config.default_transport.clone();
            let others = self.shared.queues.keys().filter(|name| **name != default).cloned();
            config.transports = std::iter::once(default.clone()).chain(others).collect();
        }
        config
    }

    /// The queue behind a transport.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn queue(&self, transport: &str) -> Result<Arc<dyn MessageQueue>, MessengerError> {
        self.shared.queues.get(transport).cloned().ok_or_else(|| {
            let known: Vec<_> = self.shared.queues.keys().map(String::as_str).collect();
            let problem = format!("'{transport}' is no transport: use one of {}", known.join(", "));
            MessengerError::new(MessengerErrorCode::Configuration, problem)
        })
    }

    /// Closes every queue: what is stored is on disk, files and connections are given up, and everything is refused from
    /// then on. Workers should have ended before.
    ///
    /// # Errors
    /// What the queues said that could not be closed, all of it.
    pub async fn close(&self) -> Result<(), MessengerError> {
        let closed = join_all(self.shared.queues.values().map(|queue| queue.close())).await;
        let failed: Vec<_> = closed.into_iter().filter_map(Result::err).collect();
        match failed.first() {
            None => Ok(()),
            Some(first) => {
                let texts: Vec<_> = failed.iter().map(ToString::to_string).collect();
                Err(MessengerError::new(first.code(), texts.join("; ")))
            }
        }
    }

    /// What would be stored of a message that was sent now.
    pub(super) fn plan(
        &self,
        message: &Message,
        options: &DispatchOptions,
    ) -> Result<Vec<QueuedMessage>, MessengerError> {
        self.active().routing.plan(message, options, self.shared.clock.now(), Uuid::now_v7)
    }

    pub(super) fn active(&self) -> Arc<Active> {
        self.shared.configured.get()
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger")
            .field("transports", &self.shared.queues.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
