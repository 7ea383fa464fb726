//! From a target that was read to one that runs.

use std::sync::Arc;

use dispatch_core::RegistrationError;

use super::ReadyTarget;
use crate::delivery::{Delivery, DeliveryBuilder, Fallback};
use crate::targets::{Target, Targets};

impl ReadyTarget {
    /// Its adapter with its policies and its dead letters, for whoever wants to add something before it starts. The
    /// metrics and observers that are added are those of its dead letters, too.
    pub fn delivery(&self) -> DeliveryBuilder {
        let config = &self.config;
        let mut delivery = Delivery::to(Arc::clone(&self.adapter)).timeout(config.timeout);
        if config.is_named() {
            delivery = delivery.destination(config.name.as_str());
        } else if let Some(origin) = origin(self.adapter.destination()) {
            delivery = delivery.destination(origin);
        }
        if let Some(policy) = &config.retry {
            delivery = delivery.retry(policy.clone());
        }
        if let Some(breaker) = config.circuit_breaker {
            delivery = delivery.circuit_breaker(breaker);
        }
        if let Some(limit) = config.rate_limit {
            delivery = delivery.rate_limit(limit);
        }
        if let Some(limit) = config.key_rate_limit {
            delivery = delivery.key_rate_limit(limit);
        }
        if let Some(limit) = config.max_in_flight {
            delivery = delivery.max_in_flight(limit);
        }
        if let Some(policy) = config.batch {
            delivery = delivery.batch(policy);
        }
        if let Some(max_held) = config.max_held {
            delivery = delivery.max_held(max_held);
        }
        if let Some(limit) = config.hold_for {
            delivery = delivery.hold_for(limit);
        }
        if let Some(queue) = config.queue {
            delivery = delivery.queue_capacity(queue);
        }
        if let Some(concurrency) = config.concurrency {
            delivery = delivery.concurrency(concurrency);
        }
        if let Some(fallback) = &self.fallback {
            delivery = delivery.fallback(Fallback::To(Arc::clone(fallback)));
        }
        if !self.dead_letters.is_empty() {
            let adapters = self.dead_letters.iter().map(|letter| Arc::clone(&letter.adapter));
            delivery = delivery.own_dead_letters(adapters.collect());
        }
        delivery
    }

    /// Starts it, under the policies that it was read with.
    ///
    /// # Errors
    /// That there is no tokio runtime.
    pub fn start(&self) -> Result<Target, RegistrationError> {
        self.start_with(|delivery| delivery)
    }

    /// Starts it with something added, such as metrics.
    ///
    /// # Errors
    /// Everything that is wrong with what was added, or that there is no tokio runtime.
    pub fn start_with(
        &self,
        add: impl FnOnce(DeliveryBuilder) -> DeliveryBuilder,
    ) -> Result<Target, RegistrationError> {
        let target = Target::new(self.config.name.as_str(), add(self.delivery()).start()?);
        Ok(if self.config.async_ { target.queued() } else { target })
    }
}

/// What of the URL of an HTTP destination is no secret: of a chat service, the path is one.
fn origin(destination: &str) -> Option<&str> {
    let (scheme, rest) =
        destination.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    destination.get(..scheme.len() + "://".len() + host)
}

impl Targets {
    /// Starts every target that was read.
    ///
    /// ```
    /// use dispatch_adapters::config::AdapterRegistry;
    /// use dispatch_adapters::Targets;
    /// use dispatch_adapters::model::Envelope;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ready = AdapterRegistry::with_built_in().read_toml(r#"
    ///     [[targets]]
    ///     type = "noop"
    ///     name = "crm"
    ///     retry = { max_retries = 5, jitter = "full" }
    ///     circuit_breaker = { failure_threshold = 3 }
    ///
    ///     [[targets]]
    ///     type = "noop"
    ///     name = "archive"
    ///     async = true
    /// "#)?;
    /// let targets = Targets::start(&ready)?;
    /// let outcomes = targets.deliver_each(&Envelope::empty("OrderPlaced")).await;
    /// assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That a name occurs twice, or that there is no tokio runtime.
    pub fn start(ready: &[ReadyTarget]) -> Result<Self, RegistrationError> {
        Self::start_with(ready, |delivery| delivery)
    }

    /// Starts every target that was read with something added to each, such as metrics.
    ///
    /// ```
    /// use dispatch_adapters::Targets;
    /// use dispatch_adapters::config::AdapterRegistry;
    /// use dispatch_adapters::metrics::DeliveryRecorder;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ready = AdapterRegistry::with_built_in().read_toml("[[targets]]\ntype = 'noop'")?;
    /// let recorder = DeliveryRecorder::new();
    /// let targets = Targets::start_with(&ready, |delivery| delivery.metrics(&recorder))?;
    /// # assert_eq!(targets.list().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That a name occurs twice, everything that is wrong with what was added, or that there is no tokio runtime.
    pub fn start_with(
        ready: &[ReadyTarget],
        add: impl Fn(DeliveryBuilder) -> DeliveryBuilder,
    ) -> Result<Self, RegistrationError> {
        let mut problems = Vec::new();
        let mut targets = Vec::new();
        for target in ready {
            match target.start_with(&add) {
                Ok(target) => targets.push(target),
                Err(error) => problems.extend(error.problems().iter().cloned()),
            }
        }
        RegistrationError::check(problems)?;
        Self::new(targets)
    }
}
