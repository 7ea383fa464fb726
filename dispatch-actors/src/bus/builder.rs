use std::fmt;
use std::sync::Arc;

use actix::prelude::*;
use dispatch_core::log::TopicLog;
use dispatch_core::{Clock, RegistrationError, SystemClock};
use tokio::sync::oneshot;

use super::hub::{Held, Hub};
use super::time::BusClock;
use super::{Bus, BusConfig, BusError, LOG_TARGET};
use crate::system;

/// Collects what a bus is made of.
#[must_use = "a bus does nothing until it is started"]
pub struct BusBuilder {
    log: Arc<dyn TopicLog>,
    config: BusConfig,
    wall: Arc<dyn Clock>,
}

impl BusBuilder {
    pub(super) fn new(log: Arc<dyn TopicLog>) -> Self {
        Self { log, config: BusConfig::default(), wall: Arc::new(SystemClock) }
    }

    /// Replaces the configuration.
    pub fn config(mut self, config: BusConfig) -> Self {
        self.config = config;
        self
    }

    /// Changes the configuration.
    pub fn configure(mut self, change: impl FnOnce(&mut BusConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Sets its name in logs and metrics.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.configure(|config| config.name = name.into())
    }

    /// Topics that match this pattern have no log: they are published to whoever is there.
    pub fn transient(self, pattern: impl Into<String>) -> Self {
        self.configure(|config| config.transient.push(pattern.into()))
    }

    /// Takes wall time from another clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.wall = Arc::new(clock);
        self
    }

    /// Starts it: on this thread inside an actix system, else on a thread of its own.
    ///
    /// # Errors
    /// [`BusError::Invalid`] with everything that is wrong with the configuration, [`BusError::Thread`].
    pub fn start(self) -> Result<Bus, BusError> {
        RegistrationError::check(self.config.problems())?;
        let name: Arc<str> = self.config.name.as_str().into();
        let (log, max_payload) = (Arc::clone(&self.log), self.config.max_payload);
        let (bus, log_name, promise) = (&*name, log.name(), log.sync_policy());
        tracing::info!(target: LOG_TARGET, bus, log = log_name, %promise, "bus started");
        let thread = format!("dispatch-{name}");
        let held = system::start(&thread, move || {
            let ((alive, stopped), context) = (oneshot::channel(), Context::new());
            let held = Held::new(context.address());
            let clock = BusClock::new(self.wall);
            context.run(Hub::new(self.config, self.log, clock, &held, alive));
            (held, stopped)
        })
        .map_err(BusError::Thread)?;
        Ok(Bus { name, held, log, max_payload })
    }
}

impl fmt::Debug for BusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
