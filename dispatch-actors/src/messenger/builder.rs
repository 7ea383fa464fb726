use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch_core::messenger::{MessengerConfig, MessengerError, MessengerErrorCode, TransportConfig};
use dispatch_core::queue::MessageQueue;
use dispatch_core::time::{Clock, SystemClock};

use super::Messenger;

/// Makes a [`Messenger`] of a configuration and of the queues behind its transports.
#[must_use = "a builder does nothing until it is built"]
pub struct MessengerBuilder {
    config: Option<MessengerConfig>,
    queues: BTreeMap<String, Arc<dyn MessageQueue>>,
    clock: Arc<dyn Clock>,
    twice: Vec<String>,
}

impl MessengerBuilder {
    pub(super) fn new() -> Self {
        Self { config: None, queues: BTreeMap::new(), clock: Arc::new(SystemClock), twice: Vec::new() }
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
        self.clock = clock;
        self
    }

    /// Checks everything, and makes the messenger.
    ///
    /// # Errors
    /// Every problem at once: of the configuration, and of transports without a queue or queues without a transport.
    pub fn build(self) -> Result<Messenger, MessengerError> {
        let Self { config, queues, clock, twice } = self;
        let config = config.unwrap_or_else(|| of_queues(&queues));
        let mut problems: Vec<_> = twice
            .into_iter()
            .map(|name| format!("transport '{name}' was given two queues: leave one out"))
            .collect();
        problems.extend(Messenger::unfit(&config, &queues));
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
            Some(routing) if problems.is_empty() => Ok(Messenger::new(config, routing, queues, clock)),
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
