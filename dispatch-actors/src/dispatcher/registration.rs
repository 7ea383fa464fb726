use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_rt::ArbiterHandle;
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{Adapter, Category, Dispatcher, DispatcherId, DispatcherSpec, EngineConfig, NodeKind};

use super::actor::Drive;
use super::blocking::{self, BlockingFn, BlockingHandler, Erased, Pools};
use super::function::{FunctionHandler, HandlerFn};
use super::lane::Lane;
use super::mail::{Deliver, MailHandler};
use super::object::{AdapterHandler, ObjectHandler};
use super::supervised::SupervisedHandler;
use super::{Handler as LaneHandler, Link};
use crate::collector::Tell;
use crate::flight::Job;
use crate::inbox::Inbox;
use crate::shard::Shard;
use crate::supervision::{ChildKind, Guardian};

/// What a dispatcher may do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
}

/// What a dispatcher's actor is made of, on the thread where it will live.
pub(crate) struct Parts {
    pub(crate) link: Rc<Link>,
    pub(crate) shard: Rc<Shard>,
    pub(crate) limits: Limits,
    pub(crate) inbox: Inbox<Job>,
    pub(crate) pools: Rc<Pools>,
    pub(crate) collector: Recipient<Tell>,
    pub(crate) restart: RestartPolicy,
    pub(crate) guardian: Rc<Guardian>,
}

impl Parts {
    fn lane<H: LaneHandler>(self, handler: H) -> Box<dyn Drive> {
        Box::new(Lane::new(handler, self.link, self.shard, self.limits, self.inbox))
    }
}

type Make = Box<dyn FnOnce(Parts) -> Box<dyn Drive> + Send>;

/// Describes a dispatcher for events; finish with the code that handles them, as in
/// [`run`](DispatcherBuilder::run).
pub fn on_event(id: impl Into<DispatcherId>) -> DispatcherBuilder {
    DispatcherBuilder::new(id, Category::Event)
}

/// Describes a dispatcher for commands; finish with the code that handles them.
pub fn on_command(id: impl Into<DispatcherId>) -> DispatcherBuilder {
    DispatcherBuilder::new(id, Category::Command)
}

/// Describes a dispatcher for intents; finish with the code that handles them.
pub fn on_intent(id: impl Into<DispatcherId>) -> DispatcherBuilder {
    DispatcherBuilder::new(id, Category::Intent)
}

/// A dispatcher that still needs its code. Nothing is checked before the engine is frozen.
#[derive(Debug, Clone)]
#[must_use = "a dispatcher needs its code: finish with run(), run_blocking(), actor(), recipient() or deliver_to()"]
pub struct DispatcherBuilder {
    spec: DispatcherSpec,
    options: Options,
}

#[derive(Debug, Clone, Default)]
struct Options {
    timeout: Option<Duration>,
    concurrency: Option<usize>,
    pool: Option<String>,
    cap: Option<usize>,
    arbiter: Option<ArbiterHandle>,
    restart: Option<RestartPolicy>,
}

impl DispatcherBuilder {
    /// Describes a dispatcher for a category.
    pub fn new(id: impl Into<DispatcherId>, category: Category) -> Self {
        Self { spec: DispatcherSpec::new(id, category), options: Options::default() }
    }

    /// Takes these message types only; an empty set is refused.
    pub fn types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.spec.message_types = Some(types.into_iter().map(Into::into).collect::<BTreeSet<_>>());
        self
    }

    /// Says what role it has; the category must fit.
    pub fn node_kind(mut self, kind: NodeKind) -> Self {
        self.spec.node_kind = Some(kind);
        self
    }

    /// Takes every message of its category and types, without a route.
    pub fn route_all(mut self) -> Self {
        self.spec.route_all = true;
        self
    }

    /// How long it may take, from being handed an envelope to its answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// How many envelopes it works on at a time; 1 means strictly one after the other, in order. Without it,
    /// as many as the engine has in flight.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.options.concurrency = Some(concurrency);
        self
    }

    /// Runs a blocking function on a pool of its own, named in [`EngineConfig::blocking_pools`].
    pub fn pool(mut self, name: impl Into<String>) -> Self {
        self.options.pool = Some(name.into());
        self
    }

    /// How many calls of a blocking function may run or wait.
    pub fn cap(mut self, cap: usize) -> Self {
        self.options.cap = Some(cap);
        self
    }

    /// Runs an actor made by a factory on another arbiter.
    pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
        self.options.arbiter = Some(arbiter);
        self
    }

    /// How an actor made by a factory is started again.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.options.restart = Some(policy);
        self
    }

    /// Handles envelopes with an async function. See [`HandlerFn`].
    pub fn run<F: HandlerFn<Args>, Args: 'static>(self, function: F) -> Registration {
        self.finish(ChildKind::Function, move |parts: Parts| parts.lane(FunctionHandler::new(function)))
    }

    /// Handles envelopes with a function that may block. See [`BlockingFn`].
    pub fn run_blocking<F: BlockingFn<Args>, Args: 'static>(self, function: F) -> Registration {
        let (cap, pool) = (self.options.cap, self.options.pool.clone());
        self.finish(ChildKind::Blocking, move |parts: Parts| {
            let (call, wants_context) = blocking::erase(function);
            let erased = Erased { call, wants_context };
            let threads = parts.pools.get(pool.as_deref());
            let cap = cap.unwrap_or(parts.shard.blocking_cap);
            let handler = BlockingHandler::new(erased, cap, threads, &parts);
            parts.lane(handler)
        })
    }

    /// Handles envelopes with an actor of the caller's: the engine neither starts nor restarts it.
    pub fn recipient(self, recipient: Recipient<Deliver>) -> Registration {
        let mailed = recipient.clone();
        let registration = self.finish(ChildKind::Recipient, move |parts: Parts| {
            let handler =
                MailHandler::new(mailed, Rc::clone(&parts.guardian), Arc::clone(&parts.shard.admission));
            parts.lane(handler)
        });
        Registration { recipient: Some(recipient), ..registration }
    }

    /// Handles envelopes with an actor that the engine makes, watches and restarts.
    pub fn actor<A>(self, factory: impl Fn() -> A + Send + Sync + 'static) -> Registration
    where
        A: Actor<Context = Context<A>> + Handler<Deliver, Result: 'static>,
    {
        let (arbiter, restart) = (self.options.arbiter.clone(), self.options.restart.clone());
        self.finish(ChildKind::Actor, move |mut parts: Parts| {
            if let Some(restart) = restart {
                parts.restart = restart;
            }
            let handler = SupervisedHandler::new(Arc::new(factory), arbiter, &parts);
            parts.lane(handler)
        })
    }

    /// Delivers envelopes through an adapter.
    pub fn deliver_to(self, adapter: impl Adapter) -> Registration {
        let adapter: Arc<dyn Adapter> = Arc::new(adapter);
        let problems = adapter.validate().err().unwrap_or_default();
        let mut registration =
            self.finish(ChildKind::Adapter, move |parts: Parts| parts.lane(AdapterHandler(adapter)));
        registration.problems = problems;
        registration
    }

    fn object(self, object: Arc<dyn Dispatcher>) -> Registration {
        self.finish(ChildKind::Object, move |parts: Parts| parts.lane(ObjectHandler(object)))
    }

    fn finish(
        self,
        form: ChildKind,
        make: impl FnOnce(Parts) -> Box<dyn Drive> + Send + 'static,
    ) -> Registration {
        Registration {
            spec: self.spec,
            options: self.options,
            form,
            make: Some(Box::new(make)),
            problems: Vec::new(),
            recipient: None,
        }
    }
}

/// A dispatcher with its code, ready for an [`EngineBuilder`](crate::EngineBuilder).
pub struct Registration {
    pub(crate) spec: DispatcherSpec,
    options: Options,
    form: ChildKind,
    /// Absent for a dispatcher that a reload keeps.
    make: Option<Make>,
    problems: Vec<Problem>,
    /// The actor behind it, if that is somebody else's.
    pub(crate) recipient: Option<Recipient<Deliver>>,
}

impl Registration {
    /// Registers an object under what it says about itself.
    pub fn object(dispatcher: impl Dispatcher) -> Self {
        Self::shared_object(Arc::new(dispatcher))
    }

    pub(crate) fn shared_object(object: Arc<dyn Dispatcher>) -> Self {
        let mut builder = DispatcherBuilder::new(object.id(), object.category());
        builder.spec.message_types = object.message_types();
        builder.spec.node_kind = object.node_kind();
        builder.object(object)
    }

    /// Stands for a dispatcher that runs already.
    pub(crate) fn kept(spec: DispatcherSpec) -> Self {
        Self {
            spec,
            options: Options::default(),
            form: ChildKind::Function,
            make: None,
            problems: Vec::new(),
            recipient: None,
        }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.make.is_none()
    }

    pub(crate) const fn form(&self) -> ChildKind {
        self.form
    }

    /// Every option that cannot be.
    pub(crate) fn problems(&self, config: &EngineConfig) -> Vec<Problem> {
        let id = &self.spec.id;
        let mut problems = self.problems.clone();
        let mut bad = |message: String| problems.push(Problem::new(ErrorCode::InvalidParameter, message));
        if self.options.timeout.is_some_and(|timeout| timeout.is_zero()) {
            bad(format!("dispatcher '{id}' has a time-out of 0: give it some time"));
        }
        if self.options.concurrency == Some(0) {
            bad(format!("dispatcher '{id}' has a concurrency of 0: give at least 1"));
        }
        if self.options.cap == Some(0) {
            bad(format!("dispatcher '{id}' has a cap of 0: give at least 1"));
        }
        let blocking = self.form == ChildKind::Blocking;
        let supervised = self.form == ChildKind::Actor;
        for (given, fits, option, form) in [
            (self.options.pool.is_some(), blocking, "pool", "run_blocking"),
            (self.options.cap.is_some(), blocking, "cap", "run_blocking"),
            (self.options.arbiter.is_some(), supervised, "on", "actor"),
            (self.options.restart.is_some(), supervised, "restart", "actor"),
        ] {
            if given && !fits {
                bad(format!(
                    "dispatcher '{id}' has the option {option}(), which only goes with {form}(): remove it"
                ));
            }
        }
        if let Some(pool) = &self.options.pool
            && blocking
            && !config.blocking_pools.contains_key(pool)
        {
            bad(format!(
                "dispatcher '{id}' names the unknown blocking pool '{pool}': add it to blocking_pools"
            ));
        }
        problems
    }

    pub(crate) fn limits(&self, config: &EngineConfig) -> Limits {
        Limits {
            timeout: self.options.timeout.unwrap_or(config.timeout),
            concurrency: self.options.concurrency.unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn make(self, parts: Parts) -> Option<Box<dyn Drive>> {
        self.make.map(|make| make(parts))
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("spec", &self.spec)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}
