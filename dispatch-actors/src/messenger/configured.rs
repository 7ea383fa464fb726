//! The configuration of a messenger: what it says, and another in its place.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use dispatch_core::messenger::{
    DispatchOptions, MessageType, MessengerConfig, MessengerError, MessengerErrorCode, Name, Rates,
    TransportConfig,
};
use dispatch_core::policy::RetryPolicy;
use dispatch_core::queue::MessageQueue;

use super::Messenger;
use super::handle::Active;

impl Messenger {
    /// The configuration that is in force.
    #[must_use]
    pub fn config(&self) -> MessengerConfig {
        self.active().config.clone()
    }

    /// Replaces the configuration, at once and as a whole. Queues stay those that the messenger was built with. Workers keep
    /// to changed rates within their `poll`; a changed rate begins anew.
    ///
    /// # Errors
    /// Every problem at once, and then nothing has changed.
    pub fn replace(&self, config: MessengerConfig) -> Result<(), MessengerError> {
        let mut problems = Self::unfit(&config, &self.shared.queues);
        problems.extend(config.problems());
        if !problems.is_empty() {
            problems.sort();
            return Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; ")));
        }
        let routing = config.check()?;
        let active = Arc::new(Active { config, routing });
        *self.shared.active.write().unwrap_or_else(PoisonError::into_inner) = active;
        self.shared.revision.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Changes the configuration, at once and as a whole: a copy is changed, checked, and put in its place.
    ///
    /// # Errors
    /// As for [`replace`](Self::replace).
    pub fn update(&self, change: impl FnOnce(&mut MessengerConfig)) -> Result<(), MessengerError> {
        let mut config = self.config();
        change(&mut config);
        self.replace(config)
    }

    /// Where every type goes, as a table for people.
    #[must_use]
    pub fn describe(&self) -> String {
        self.active().routing.describe()
    }

    /// Where a message would go, and why, for people.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub fn explain(
        &self,
        message_type: &MessageType,
        options: &DispatchOptions,
    ) -> Result<String, MessengerError> {
        self.active().routing.explain(message_type, options)
    }

    /// The transports of a message, in order.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub fn transports_of(
        &self,
        message_type: &MessageType,
        options: &DispatchOptions,
    ) -> Result<Vec<Name>, MessengerError> {
        let places = self.active().routing.place(message_type, options)?;
        Ok(places.into_iter().map(|place| place.transport).collect())
    }

    /// The retries of a type.
    #[must_use]
    pub fn retry_of(&self, message_type: &MessageType) -> RetryPolicy {
        self.active().routing.retry_of(message_type)
    }

    /// Which transports of a configuration have no queue, or one that no worker takes anything from, and rates.
    pub(super) fn unfit(
        config: &MessengerConfig,
        queues: &BTreeMap<String, Arc<dyn MessageQueue>>,
    ) -> Vec<String> {
        let unfit = |(name, transport): (&String, &TransportConfig)| match queues.get(name) {
            None => {
                Some(format!("transport '{name}' has no queue: give it one, or remove it from transports"))
            }
            Some(queue) => {
                let is_limited = transport.rate_limit.is_some() || transport.key_rate_limit.is_some();
                (is_limited && !queue.keeps()).then(|| {
                    format!(
                        "transport '{name}' handles messages at once, so no rate holds them back: remove rate_limit \
                         and key_rate_limit, or use another type"
                    )
                })
            }
        };
        config.transports.iter().filter_map(unfit).collect()
    }

    /// How often the configuration was replaced.
    pub(super) fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// How fast each worker begins with messages of a transport.
    pub(super) fn rates_of(&self, transport: &str) -> Rates {
        self.active().routing.rates_of(transport)
    }
}
