use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use dispatch_actors::Engine;
use dispatch_actors::messenger::Messenger;
use dispatch_core::Adapter;
use dispatch_core::messenger::{MessengerConfig, MessengerError, MessengerErrorCode, TransportConfig};
use dispatch_core::queue::{MessageQueue, QueueError};
use futures_util::future::join_all;

use super::options;
use crate::config::Fields;

/// A queue that is being opened.
pub type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn MessageQueue>, QueueError>> + Send>>;

/// Reads the options of a transport of this name, and begins to open its queue.
type Factory = Arc<dyn Fn(&str, &mut Fields<'_>) -> Opening + Send + Sync>;

/// Opens a messenger: makes the queues that a configuration names by their type.
#[must_use = "nothing is opened until `open`"]
pub struct Opener {
    folder: PathBuf,
    config: MessengerConfig,
    engine: Option<Engine>,
    types: BTreeMap<String, Factory>,
    name: Option<String>,
    dead_letters: Option<Arc<dyn Adapter>>,
}

impl Opener {
    pub(super) fn new(folder: PathBuf) -> Self {
        let config = MessengerConfig::default();
        Self { folder, config, engine: None, types: BTreeMap::new(), name: None, dead_letters: None }
    }

    /// Sets where messages go. The default has the transports `default`, which is `embedded`, and `sync`.
    pub fn config(mut self, config: MessengerConfig) -> Self {
        self.config = config;
        self
    }

    /// The engine that handles the messages of `sync` transports. Without it they refuse what they are sent.
    pub fn engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// What it is called in metrics and as an adapter.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Who is told of messages that have failed for good, as
    /// [`MessengerBuilder::dead_letters`](dispatch_actors::messenger::MessengerBuilder::dead_letters) says it;
    /// [`DeadLetters`](crate::DeadLetters) are one.
    pub fn dead_letters(mut self, target: impl Adapter) -> Self {
        self.dead_letters = Some(Arc::new(target));
        self
    }

    /// Registers a type of transports, or replaces one: it reads the options, and opens the queue.
    pub fn queue_type(
        mut self,
        kind: impl Into<String>,
        factory: impl Fn(&str, &mut Fields<'_>) -> Opening + Send + Sync + 'static,
    ) -> Self {
        self.types.insert(kind.into(), Arc::new(factory));
        self
    }

    /// Checks everything, opens the queues, and makes the messenger.
    ///
    /// # Errors
    /// Every problem of the configuration at once, and then nothing is opened; or what the queues said that could not be
    /// opened, and then those that were are closed again.
    pub async fn open(self) -> Result<Messenger, MessengerError> {
        let types = self.types();
        let mut problems = self.config.problems();
        let mut openings = Vec::new();
        for (name, transport) in &self.config.transports {
            match types.get(&transport.kind) {
                Some(factory) => openings.push((name, read(name, transport, factory, &mut problems))),
                // A type that is missing has been said already.
                None if transport.kind.trim().is_empty() => {}
                None if BEHIND_FEATURES.contains(&transport.kind.as_str()) => problems.push(format!(
                    "transport '{name}': the type '{0}' was left out of this build: switch the feature '{0}' of \
                     dispatch-adapters on",
                    transport.kind
                )),
                None => {
                    let known: Vec<_> = types.keys().map(String::as_str).collect();
                    problems.push(format!(
                        "transport '{name}': '{}' is no type of transports: use one of {}",
                        transport.kind,
                        known.join(", ")
                    ));
                }
            }
        }
        refuse(problems)?;
        let opened = join_all(openings.into_iter().map(async |(name, opening)| (name, opening.await))).await;
        let mut failed = Vec::new();
        let mut queues = Vec::new();
        for (name, opened) in opened {
            match opened {
                Ok(queue) => queues.push((name.clone(), queue)),
                Err(error) => failed.push((error.code(), format!("transport '{name}': {error}"))),
            }
        }
        if let Some((code, _)) = failed.first() {
            // Nobody could close them any more; what they say to it changes nothing.
            let _ = join_all(queues.iter().map(|(_, queue)| queue.close())).await;
            let texts: Vec<_> = failed.iter().map(|(_, text)| text.as_str()).collect();
            return Err(MessengerError::new(*code, texts.join("; ")));
        }
        let mut builder = Messenger::builder().config(self.config.clone());
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(target) = self.dead_letters {
            builder = builder.dead_letters(target);
        }
        queues
            .into_iter()
            .fold(builder, |builder, (name, queue)| builder.shared_transport(name, queue))
            .build()
    }

    /// The built-in types, and those that were registered.
    fn types(&self) -> BTreeMap<String, Factory> {
        let mut types: BTreeMap<String, Factory> = BTreeMap::new();
        types.insert("memory".to_owned(), Arc::new(options::memory));
        let engine = self.engine.clone();
        types.insert("sync".to_owned(), Arc::new(move |name, _| options::sync(name, engine.as_ref())));
        #[cfg(feature = "sqlite")]
        {
            let (files, folder) = (options::Files::default(), self.folder.clone());
            types.insert(
                "embedded".to_owned(),
                Arc::new(move |name, fields| files.queue(name, &folder, fields)),
            );
        }
        #[cfg(feature = "postgres")]
        types.insert("postgres".to_owned(), Arc::new(options::postgres));
        types.extend(self.types.clone());
        types
    }
}

/// Options of every transport, whatever its type.
const OF_ALL: [&str; 6] = ["type", "queue", "priority", "idempotency", "rate_limit", "key_rate_limit"];

/// Types that are there if the feature of their name is.
const BEHIND_FEATURES: [&str; 1] = ["postgres"];

fn read(name: &str, transport: &TransportConfig, factory: &Factory, problems: &mut Vec<String>) -> Opening {
    let mut fields = Fields::new(format!("transport '{name}'"), &transport.options).beside(&OF_ALL);
    let opening = factory(name, &mut fields);
    problems.extend(fields.finish().iter().map(|problem| problem.message().to_owned()));
    opening
}

fn refuse(mut problems: Vec<String>) -> Result<(), MessengerError> {
    problems.sort();
    if problems.is_empty() {
        return Ok(());
    }
    Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; ")))
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("folder", &self.folder).finish_non_exhaustive()
    }
}
