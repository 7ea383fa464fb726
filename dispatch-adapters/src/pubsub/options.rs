use dispatch_core::{ErrorCode, Problem, Topic};
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of a [`PubSubAdapter`](super::PubSubAdapter).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PubSubOptions {
    /// The topic to publish on; required.
    pub topic: Option<Topic>,
    /// The instance, if there are several; `default`.
    pub instance: String,
    /// Whether to stay inside the process although there is a bus, which a program hands in with
    /// [`PubSubAdapter::with_bus`](super::PubSubAdapter::with_bus) or
    /// [`AdapterRegistry::with_pubsub_bus`](crate::config::AdapterRegistry::with_pubsub_bus); no.
    pub local: bool,
}

impl Default for PubSubOptions {
    fn default() -> Self {
        Self { topic: None, instance: Self::INSTANCE.to_owned(), local: false }
    }
}

impl PubSubOptions {
    /// The instance that is meant when none is named.
    pub const INSTANCE: &str = "default";

    /// The default options for a topic.
    #[must_use]
    pub fn on(topic: Topic) -> Self {
        Self { topic: Some(topic), ..Self::default() }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let text = "topic is missing: give the topic to publish on";
        let missing = || Problem::new(ErrorCode::InvalidConfiguration, text);
        if self.topic.is_none() { vec![missing()] } else { Vec::new() }
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            topic: fields.needed("topic"),
            instance: fields.or("instance", Self::INSTANCE.to_owned()),
            local: fields.or("local", false),
        }
    }
}
