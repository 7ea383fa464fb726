use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerConfig, MessengerError, MessengerErrorCode, Name, QueuedMessage,
    Routing, WorkerConfig,
};
use dispatch_core::queue::{Enqueued, MessageQueue, QueueError, Submission};
use dispatch_core::time::Clock;
use futures_util::future::join_all;
use uuid::Uuid;

use super::active::{Active, Configured};
use super::{BatchResult, Dispatched, MessengerBuilder, Sent, Worker, WorkerOptions};
use crate::Engine;

/// Messages of one call to a queue, at most.
const TOGETHER: usize = 500;

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
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { shared: Arc::new(Shared { configured: Configured::new(config, routing), queues, clock }) }
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
        let mut planned = Vec::new();
        let mut by_transport: BTreeMap<Name, Vec<(usize, Submission)>> = BTreeMap::new();
        for (place, (message, options)) in items.into_iter().enumerate() {
            let plan = active.routing.plan(&message, &options, now, Uuid::now_v7);
            planned.push(plan.as_ref().map(Vec::len).map_err(Clone::clone));
            for message in plan.into_iter().flatten() {
                let remember = active.remember(&options, message.available_at);
                let submission = Submission::new(message).remembered(remember);
                let transport = submission.message.transport.clone();
                by_transport.entry(transport).or_default().push((place, submission));
            }
        }
        let sends = by_transport.into_iter().map(|(transport, messages)| self.send_many(transport, messages));
        let mut answers: Vec<Vec<_>> = planned.iter().map(|_| Vec::new()).collect();
        for (place, transport, answer) in join_all(sends).await.into_iter().flatten() {
            if let Some(answers) = answers.get_mut(place) {
                answers.push((transport, answer));
            }
        }
        let results = planned.into_iter().zip(answers).map(|(planned, transports)| {
            planned?;
            Dispatched { correlation_id: Uuid::nil(), transports }.all()
        });
        BatchResult { results: results.collect() }
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
            let remember = active.remember(options, message.available_at);
            self.send_many(transport, vec![(0, Submission::new(message).remembered(remember))])
        });
        let answers = join_all(sends).await.into_iter().flatten();
        let transports = answers.map(|(_, transport, answer)| (transport, answer)).collect();
        Ok(Dispatched { correlation_id, transports })
    }

    /// Sends messages to one transport, a few hundred at a time; what became of each, with its place.
    async fn send_many(
        &self,
        transport: Name,
        messages: Vec<(usize, Submission)>,
    ) -> Vec<(usize, Name, Result<Sent, MessengerError>)> {
        let queue = match self.queue(transport.as_str()) {
            Ok(queue) => queue,
            Err(error) => {
                let refuse = |(place, _)| (place, transport.clone(), Err(error.clone()));
                return messages.into_iter().map(refuse).collect();
            }
        };
        let mut answers = Vec::new();
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let (places, submissions): (Vec<_>, Vec<_>) = messages.by_ref().take(TOGETHER).unzip();
            let about: Vec<_> = places
                .into_iter()
                .zip(&submissions)
                .map(|(place, submission)| (place, About::of(&submission.message)))
                .collect();
            let sent = queue.enqueue(submissions).await;
            match sent {
                Ok(sent) => answers.extend(about.into_iter().zip(sent).map(|((place, about), answer)| {
                    (
                        place,
                        transport.clone(),
                        answer.map(|answer| about.sent(answer)).map_err(MessengerError::from),
                    )
                })),
                Err(error) => answers.extend(
                    about
                        .into_iter()
                        .map(|(place, about)| (place, transport.clone(), Err(about.unsent(&error)))),
                ),
            }
        }
        answers
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

/// What is told of a message once it was sent.
struct About(Sent);

impl About {
    fn of(message: &QueuedMessage) -> Self {
        Self(Sent {
            id: message.id,
            transport: message.transport.clone(),
            queue: message.queue.clone(),
            priority: message.priority,
            scheduled_at: message.scheduled_at,
            duplicate_of: None,
            replaced: None,
        })
    }

    fn sent(self, Enqueued { id, duplicate_of, replaced, .. }: Enqueued) -> Sent {
        Sent { id, duplicate_of, replaced, ..self.0 }
    }

    fn unsent(self, error: &QueueError) -> MessengerError {
        let Sent { transport, queue, id, .. } = self.0;
        let problem = format!("transport '{transport}', queue '{queue}', message {id}: {error}");
        MessengerError::new(error.code(), problem)
    }
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger")
            .field("transports", &self.shared.queues.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
