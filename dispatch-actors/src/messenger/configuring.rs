use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch_core::messenger::{
    DispatchOptions, MessageType, MessengerConfig, MessengerError, MessengerErrorCode, Name, Rates, Routing,
    TransportConfig,
};
use dispatch_core::policy::RetryPolicy;
use dispatch_core::queue::MessageQueue;
use serde_json::Value;

use super::active::Active;
use super::{ConfigWatch, Messenger};

/// What is configured, and how it is changed.
///
/// A change is checked on a copy, and put in place at once and as a whole. Queues stay those that the messenger was built
/// with.
impl Messenger {
    /// The configuration that is in force.
    #[must_use]
    pub fn config(&self) -> MessengerConfig {
        self.active().config.clone()
    }

    /// Replaces the configuration. Workers keep to changed rates within their `poll`; a changed rate begins anew. What
    /// the rate of its key has sent back before waits for the time that it was given.
    ///
    /// # Errors
    /// Every problem at once, and then nothing has changed.
    pub fn replace(&self, config: MessengerConfig) -> Result<(), MessengerError> {
        let routing = self.check(&config)?;
        self.shared.configured.put(Active { config, routing }, None);
        Ok(())
    }

    /// Changes the configuration. Of two who do so at the same time neither undoes what the other has done: the second is
    /// asked again, with what the first has left.
    ///
    /// # Errors
    /// As for [`replace`](Self::replace).
    pub fn update(&self, mut change: impl FnMut(&mut MessengerConfig)) -> Result<(), MessengerError> {
        self.change(|config| {
            change(config);
            Ok(())
        })
    }

    /// Puts members over those of the configuration: see [`MessengerConfig::set`].
    ///
    /// # Errors
    /// That it is no configuration, and as for [`replace`](Self::replace).
    pub fn set(&self, over: &Value) -> Result<(), MessengerError> {
        self.change(|config| {
            *config = config.set(over)?;
            Ok(())
        })
    }

    /// Removes a transport, so that nothing is sent there any more; `false` if there is none of this name. Its queue stays,
    /// and workers go on with what is in it.
    ///
    /// # Errors
    /// That it is the default transport, or that routes or tiers still name it.
    pub fn remove_transport(&self, name: &str) -> Result<bool, MessengerError> {
        self.change(|config| config.remove_transport(name))
    }

    /// Removes the route of a type; `false` if it has none.
    ///
    /// # Errors
    /// None by itself: without a route a type goes to the default transport.
    pub fn remove_route(&self, message_type: &str) -> Result<bool, MessengerError> {
        self.change(|config| Ok(config.remove_route(message_type)))
    }

    /// Removes the retries of a type, so that it has the default ones; `false` if it has none of its own.
    ///
    /// # Errors
    /// That it is the default retry.
    pub fn remove_retry(&self, message_type: &str) -> Result<bool, MessengerError> {
        self.change(|config| config.remove_retry(message_type))
    }

    /// Goes back to the configuration that the messenger was built with.
    ///
    /// # Errors
    /// None by itself: that one was checked.
    pub fn reset(&self) -> Result<(), MessengerError> {
        self.replace(self.shared.configured.built.clone())
    }

    /// Calls a function whenever the configuration has changed, with the old one and the new one, for as long as what comes
    /// back is kept.
    ///
    /// It is called on the thread of whoever changes the configuration, or of one who does so at the same time; changes are
    /// told in their order. One that panics is logged, and changes nothing for the others. A function that keeps the
    /// messenger keeps it alive.
    ///
    /// ```
    /// use dispatch_actors::messenger::Messenger;
    /// use dispatch_core::queue::MemoryQueue;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicI64, Ordering};
    ///
    /// let messenger = Messenger::builder().transport("default", MemoryQueue::new("default")).build()?;
    /// let seen = Arc::new(AtomicI64::new(0));
    /// let kept = Arc::clone(&seen);
    /// let watch = messenger.on_change(move |_, new| kept.store(new.default_priority, Ordering::Relaxed));
    /// messenger.update(|config| config.default_priority = 8)?;
    /// drop(watch);
    /// messenger.update(|config| config.default_priority = 3)?;
    /// assert_eq!(seen.load(Ordering::Relaxed), 8);
    /// # Ok::<(), dispatch_core::messenger::MessengerError>(())
    /// ```
    pub fn on_change(
        &self,
        callback: impl Fn(&MessengerConfig, &MessengerConfig) + Send + Sync + 'static,
    ) -> ConfigWatch {
        self.shared.configured.watchers.watch(Arc::new(callback))
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

    /// How fast each worker begins with messages of a transport; `None` if it is not configured any more.
    pub(super) fn rates_of(&self, transport: &str) -> Option<Rates> {
        self.active().routing.rates_of(transport)
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

    fn check(&self, config: &MessengerConfig) -> Result<Routing, MessengerError> {
        let mut problems = Self::unfit(config, &self.shared.queues);
        match config.check() {
            Ok(routing) if problems.is_empty() => Ok(routing),
            Ok(_) => Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; "))),
            Err(error) if problems.is_empty() => Err(error),
            Err(error) => {
                problems.extend_from_slice(error.problems());
                problems.sort();
                Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; ")))
            }
        }
    }

    /// Changes a copy, and puts it in place if nobody was faster; else once more.
    fn change<T>(
        &self,
        mut change: impl FnMut(&mut MessengerConfig) -> Result<T, MessengerError>,
    ) -> Result<T, MessengerError> {
        loop {
            let seen = self.active();
            let mut config = seen.config.clone();
            let answer = change(&mut config)?;
            let routing = self.check(&config)?;
            if self.shared.configured.put(Active { config, routing }, Some(&seen)) {
                return Ok(answer);
            }
        }
    }
}
