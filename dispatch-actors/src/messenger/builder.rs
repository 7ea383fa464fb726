use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch_core::Adapter;
use dispatch_core::messenger::{MessengerConfig, MessengerError, MessengerErrorCode, TransportConfig};
use dispatch_core::queue::MessageQueue;
use dispatch_core::time::{Clock, SystemClock};

use super::Messenger;
use super::handle::Others;

/// Makes a [`Messenger`] of a configuration and of the queues behind its transports.
#[must_use = "a builder does nothing until it is built"]
pub struct MessengerBuilder {
    config: Option<MessengerConfig>,
    queues: BTreeMap<String, Arc<dyn MessageQueue>>,
    others: Others,
    twice: Vec<String>,
}

impl MessengerBuilder {
    pub(super) fn new() -> Self {
        let name = Messenger::NAME.to_owned();
        let others = Others { clock: Arc::new(SystemClock), name, dead_letters: None };
        Self { config: None, queues: BTreeMap::new(), others, twice: Vec::new() }
    }

    /// Sets where messages go. Without it there is one transport for each queue that is given, and `default` is the
    /// default one.
    pub fn config(mut self, config: MessengerConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// The queue behind a transport.
    pub fn transport(self, name: impl Into<String>, queue: impl MessageQueue) -> Self {
        self.shared_transport(name, Arc::new(queue))
    }

    /// The queue behind a transport, which others use as well.
    pub fn shared_transport(mut self, name: impl Into<String>, queue: Arc<dyn MessageQueue>) -> Self {
        let name = name.into();
        if self.queues.insert(name.clone(), queue).is_some() {
            self.twice.push(name);
        }
        self
    }

    /// Takes the time of dispatches from another clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.others.clock = clock;
        self
    }

    /// What it is called in metrics and as an adapter; [`Messenger::NAME`] unless given. Two of a process should have two
    /// names.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.others.name = name.into();
        self
    }

    /// Who is told of messages that have failed for good, or that cannot be read: an adapter that takes dead letters, such
    /// as the targets of deliveries, a bus, or a transport of another messenger.
    ///
    /// - A message is first stored as failed in its transport. That is the store of record: there it is listed, edited and
    ///   replayed, whatever the target does.
    /// - Then the worker that has it tells the target. One that does not take it is asked again, with longer and longer
    ///   pauses, while the worker runs; so the target may be told twice. The id of a dead letter is always the same.
    /// - What is not told is counted and logged: what the target refuses for good, what comes while 10,000 others wait, and
    ///   what is left a few seconds after a worker was to end. A process that is killed tells nobody.
    ///   [`Messenger::failed`] has all of them.
    /// - A message that holds a dead letter makes no other one.
    /// - Messages that have expired are no failures, and are not told; [`Messenger::expired`] has those that are kept.
    pub fn dead_letters(mut self, target: impl Adapter) -> Self {
        self.others.dead_letters = Some(Arc::new(target));
        self
    }

    /// Checks everything, and makes the messenger.
    ///
    /// # Errors
    /// Every problem at once: of the configuration, and of transports without a queue or queues without a transport.
    pub fn build(self) -> Result<Messenger, MessengerError> {
        let Self { config, queues, others, twice } = self;
        let config = config.unwrap_or_else(|| of_queues(&queues));
        let mut problems: Vec<_> = twice
            .into_iter()
            .map(|name| format!("transport '{name}' was given two queues: leave one out"))
            .collect();
        problems.extend(Messenger::unfit(&config, &queues));
        let target = others.dead_letters.iter().filter_map(|target| target.validate().err()).flatten();
        problems.extend(target.map(|problem| format!("dead letters: {}", problem.message())));
        let unknown = queues.keys().filter(|name| !config.transports.contains_key(*name));
        problems.extend(unknown.map(|name| {
            format!(
                "a queue was given for '{name}', which the configuration does not name: add it to transports"
            )
        }));
        let routing = match config.check() {
            Ok(routing) => Some(routing),
            Err(error) => {
                problems.extend_from_slice(error.problems());
                None
            }
        };
        problems.sort();
        match routing {
            Some(routing) if problems.is_empty() => Ok(Messenger::new(config, routing, queues, others)),
            _ => Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; "))),
        }
    }
}

/// A configuration with one transport for each queue.
fn of_queues(queues: &BTreeMap<String, Arc<dyn MessageQueue>>) -> MessengerConfig {
    let transport = |name: &String| {
        (name.clone(), TransportConfig { kind: "given".to_owned(), ..TransportConfig::default() })
    };
    let default = "default".to_owned();
    let first = queues.keys().next().cloned();
    MessengerConfig {
        default_transport: if queues.contains_key(&default) { default } else { first.unwrap_or(default) },
        transports: queues.keys().map(transport).collect(),
        ..MessengerConfig::default()
    }
}
