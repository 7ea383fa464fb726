use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use actix::Recipient;
use dispatch_core::delivery::Adapter;
use dispatch_core::error::{ErrorCode, Problem, RegistrationError};
use dispatch_core::route::RouteTable;
use dispatch_core::{
    Clock, DispatcherId, DispatcherRegistry, DispatcherSpec, EngineConfig, PublishTo, Route, SystemClock,
};

use super::Engine;
use super::start::{self, StartError};
use crate::dispatcher::Registration;
use crate::interceptor::{Interceptor, Interceptors};
use crate::observer::{Observer, Observers};
use crate::supervision::DispatcherDown;

/// Collects dispatchers and routes; [`freeze`](EngineBuilder::freeze) makes an engine of them.
///
/// Nothing is checked before, and everything is checked then. The builder is used up by freezing, so registering
/// with a frozen engine does not compile; what changes later goes through [`Engine::reload`].
#[derive(Default)]
#[must_use = "a builder does nothing until it is frozen"]
pub struct EngineBuilder {
    pub(super) config: EngineConfig,
    pub(super) registrations: Vec<Entry>,
    pub(super) interceptors: Interceptors,
    pub(super) observers: Observers,
    pub(super) publisher: Option<PublisherChoice>,
    pub(super) escalate_to: Option<Recipient<DispatcherDown>>,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) subscriber: Option<tracing::Dispatch>,
}

/// A dispatcher of the builder's.
pub(super) enum Entry {
    New(Box<Registration>),
    /// One that a reload leaves as it is.
    Kept(DispatcherId),
}

pub(super) enum PublisherChoice {
    Adapter(Arc<dyn Adapter>),
    Engine,
}

/// A validated builder, ready to run.
pub(crate) struct Blueprint {
    pub(crate) config: EngineConfig,
    pub(crate) table: RouteTable,
    pub(crate) registrations: Vec<Registration>,
}

impl EngineBuilder {
    /// An empty builder with the default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the configuration. Its routes come before those of the builder.
    pub fn config(mut self, config: EngineConfig) -> Self {
        let added = std::mem::replace(&mut self.config, config).routes;
        self.config.routes.extend(added);
        self
    }

    /// Changes the configuration in place.
    pub fn configure(mut self, change: impl FnOnce(&mut EngineConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Names the engine, in spans and metric labels.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.configure(|config| config.name = name.into())
    }

    /// Registers a dispatcher: [`on_event`](crate::on_event) and its sisters describe one.
    pub fn dispatcher(mut self, registration: Registration) -> Self {
        self.registrations.push(Entry::New(Box::new(registration)));
        self
    }

    /// Registers every dispatcher of a registry.
    pub fn registry(mut self, registry: &DispatcherRegistry) -> Self {
        let objects = registry.iter().map(Arc::clone).map(Registration::shared_object);
        self.registrations.extend(objects.map(Box::new).map(Entry::New));
        self
    }

    /// In a reload: keeps a dispatcher that runs, without its code.
    pub fn keep(mut self, id: impl Into<DispatcherId>) -> Self {
        self.registrations.push(Entry::Kept(id.into()));
        self
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.config.routes.push(route);
        self
    }

    /// Adds routes.
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.config.routes.extend(routes);
        self
    }

    /// Runs an interceptor around every dispatch, after those added before.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.0.push(Box::new(interceptor));
        self
    }

    /// Shows every event to an observer.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.0.push(Box::new(observer));
        self
    }

    /// Publishes outputs through an adapter.
    pub fn publish_to(mut self, adapter: impl Adapter) -> Self {
        self.publisher = Some(PublisherChoice::Adapter(Arc::new(adapter)));
        self
    }

    /// Dispatches outputs with this engine again, up to `max_hops` times.
    pub fn publish_to_self(mut self) -> Self {
        self.publisher = Some(PublisherChoice::Engine);
        self
    }

    /// Tells a supervisor of dispatchers that are down for good.
    pub fn escalate_to(mut self, supervisor: Recipient<DispatcherDown>) -> Self {
        self.escalate_to = Some(supervisor);
        self
    }

    /// Where wall time comes from; the operating system by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sends the engine's spans and events to a subscriber of its own.
    pub fn subscriber(mut self, subscriber: impl Into<tracing::Dispatch>) -> Self {
        self.subscriber = Some(subscriber.into());
        self
    }

    /// Validates everything at once and starts the engine.
    ///
    /// Inside an actix system the engine lives on the arbiter that calls this. Elsewhere, as in a plain tokio
    /// program, it starts and owns a system on a thread of its own.
    ///
    /// # Errors
    /// [`StartError::Registration`] with every problem of every dispatcher, route and setting, sorted; nothing
    /// has been started then.
    pub fn freeze(self) -> Result<Engine, StartError> {
        start::freeze(self)
    }

    /// Checks everything without starting anything.
    ///
    /// # Errors
    /// Every problem, sorted.
    pub fn validate(&self) -> Result<(), RegistrationError> {
        self.compile(&BTreeMap::new()).map(drop)
    }

    /// Validates against the dispatchers that run already and builds the table.
    pub(super) fn compile(
        &self,
        running: &BTreeMap<DispatcherId, DispatcherSpec>,
    ) -> Result<RouteTable, RegistrationError> {
        let mut problems = self.config.problems();
        let mut specs = Vec::with_capacity(self.registrations.len());
        for entry in &self.registrations {
            match entry {
                Entry::New(registration) => {
                    problems.extend(registration.problems(&self.config));
                    specs.push(registration.spec.clone());
                }
                Entry::Kept(id) => match running.get(id) {
                    Some(spec) => specs.push(spec.clone()),
                    None => problems.push(Problem::new(
                        ErrorCode::ItemNotRegistered,
                        format!(
                            "dispatcher '{id}' is to be kept but does not run: register it with its code"
                        ),
                    )),
                },
            }
        }
        if let Some(PublisherChoice::Adapter(adapter)) = &self.publisher {
            problems.extend(adapter.validate().err().unwrap_or_default());
        }
        let table = RouteTable::build(specs, self.config.routes.clone());
        match table {
            Ok(table) => RegistrationError::check(problems).map(|()| table),
            Err(error) => {
                problems.extend(error.problems().iter().cloned());
                // There is at least one problem, so this is the error.
                RegistrationError::check(problems).and(Err(error))
            }
        }
    }

    /// Why a reload cannot use this builder: it changes routes, dispatchers and limits, nothing else.
    pub(super) fn refuse_fixed_parts(&self) -> Result<(), RegistrationError> {
        let fixed = [
            (!self.interceptors.0.is_empty(), "interceptors"),
            (!self.observers.0.is_empty(), "observers"),
            (self.publisher.is_some() || self.config.publish != PublishTo::Nowhere, "the publisher"),
            (self.escalate_to.is_some(), "the escalation"),
            (self.clock.is_some(), "the clock"),
            (self.subscriber.is_some(), "the subscriber"),
        ];
        let problems = fixed.into_iter().filter(|(given, _)| *given).map(|(_, what)| {
            Problem::new(
                ErrorCode::InvalidConfiguration,
                format!("a reload cannot change {what}: leave it out, what the engine was frozen with stays"),
            )
        });
        RegistrationError::check(problems.collect())
    }

    /// In a reload: takes the blocking pools that run, and refuses others.
    pub(super) fn take_pools(&mut self, running: &BTreeMap<String, usize>) -> Result<(), RegistrationError> {
        let given = &mut self.config.blocking_pools;
        if !given.is_empty() && given != running {
            let why = "a reload cannot change the blocking pools: leave them out, what the engine was frozen with stays";
            return Err(Problem::new(ErrorCode::InvalidConfiguration, why).into());
        }
        given.clone_from(running);
        Ok(())
    }

    pub(super) fn wall_clock(&mut self) -> Arc<dyn Clock> {
        self.clock.take().unwrap_or_else(|| Arc::new(SystemClock))
    }
}

impl Entry {
    pub(super) fn into_registration(
        self,
        running: &BTreeMap<DispatcherId, DispatcherSpec>,
    ) -> Option<Registration> {
        match self {
            Self::New(registration) => Some(*registration),
            Self::Kept(id) => running.get(&id).cloned().map(Registration::kept),
        }
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("config", &self.config)
            .field("dispatchers", &self.registrations.len())
            .finish_non_exhaustive()
    }
}
