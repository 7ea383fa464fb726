use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::dispatch::{DispatchResult, Failure, Identity, Path, Subject, TopicText};
use dispatch_core::error::RegistrationError;
use dispatch_core::ids::IdGenerator;
use dispatch_core::route::Explanation;
use dispatch_core::{Category, DispatchStatus, DispatcherId, Envelope, ErrorCode, MessageType};
use dispatch_metrics::{DispatchMetrics, DispatcherMetrics};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::answer::{Answer, Patience};
use super::builder::{Blueprint, EngineBuilder};
use super::loopback::Loopback;
use super::{EngineHealth, IntoTopic, Refused, ReloadReport, ShutdownReport, TopicArg};
use crate::admission::Admission;
use crate::collector::{Collector, OfDispatcher, Reset, Snapshot};
use crate::flight::Reply;
use crate::router::{AskChildren, AskRunning, Explain, Router, Shutdown, Submit, Swap};
use crate::supervision::Child;
use crate::watchdog::Watchdog;

/// A frozen engine: the handle through which envelopes go in and results come out.
///
/// It is cheap to clone and can be used from any thread and any runtime. The engine ends when it is
/// [shut down](Engine::shutdown), or when the last handle is dropped and everything in flight is finished.
///
/// # Guarantees
/// - Every dispatch that is admitted has exactly one result, whatever its dispatchers do.
/// - Dropping the future of a dispatch does not cancel it.
/// - Same table, same input: same dispatchers in the same order.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    name: Arc<str>,
    router: Addr<Router>,
    collector: Addr<Collector>,
    admission: Arc<Admission>,
    state: AtomicU8,
    down: Arc<AtomicUsize>,
    home: ThreadMark,
    watchdog: Option<Arc<Watchdog>>,
    /// How long a caller on another thread waits before it concludes that the engine's thread is blocked.
    patience: Duration,
    last_metrics: OnceLock<DispatchMetrics>,
}

/// Answers for envelopes that a stopped engine has not taken or will not answer.
fn refused(envelopes: usize) -> Vec<Reply> {
    (0..envelopes).map(|_| Err(Refused::InvalidState)).collect()
}

/// Tells a thread from all others that live: the address of something that each of them has its own of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadMark(usize);

impl ThreadMark {
    fn here() -> Self {
        thread_local!(static MARK: u8 = const { 0 });
        Self(MARK.with(|mark| std::ptr::from_ref(mark).addr()))
    }

    fn is_here(self) -> bool {
        self == Self::here()
    }
}

const READY: u8 = 0;
const STOPPING: u8 = 1;

impl Shared {
    pub(super) fn new(
        name: Arc<str>,
        router: Addr<Router>,
        collector: Addr<Collector>,
        admission: Arc<Admission>,
        down: Arc<AtomicUsize>,
        watchdog: Option<Arc<Watchdog>>,
        patience: Duration,
    ) -> Self {
        Self {
            name,
            router,
            collector,
            admission,
            state: AtomicU8::new(READY),
            down,
            home: ThreadMark::here(),
            watchdog,
            patience,
            last_metrics: OnceLock::new(),
        }
    }

    /// Takes a permit without waiting; false if there is none, or if the engine is stopping.
    fn admit_now(&self) -> bool {
        self.check_ready().is_ok() && self.admission.try_acquire(1) == 1
    }

    /// The watchdog, for a caller on another thread: on the engine's own nobody could notice that it is blocked.
    fn far_away(&self) -> Option<&Arc<Watchdog>> {
        self.watchdog.as_ref().filter(|_| !self.home.is_here())
    }

    /// An answer will never come, because the engine's thread has ended: nothing more is admitted.
    fn lost(&self, permits: usize) -> Refused {
        if !self.router.connected() {
            self.state.store(STOPPING, SeqCst);
            self.admission.wake_all();
        }
        self.admission.release(permits);
        Refused::InvalidState
    }

    fn check_ready(&self) -> Result<(), Refused> {
        if self.state.load(SeqCst) == READY { Ok(()) } else { Err(Refused::InvalidState) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.state.load(SeqCst) == READY {
            self.router.do_send(Shutdown { deadline: None, reply: None });
        }
    }
}

impl Engine {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Begins to build an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::new()
    }

    /// The engine's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Dispatches an envelope and waits for its one result. Waits first if too many dispatches are in flight.
    ///
    /// # Errors
    /// [`Refused`] if the engine did not take the envelope. What dispatchers do is always an `Ok` result.
    pub async fn dispatch(
        &self,
        topic: impl IntoTopic,
        envelope: Envelope,
    ) -> Result<DispatchResult, Refused> {
        if !self.shared.admit_now() {
            self.admit(1).await?;
        }
        self.submit(topic.into_topic(), envelope, false).await.unwrap_or_else(|| Err(self.shared.lost(1)))
    }

    /// Dispatches an envelope if there is room, without waiting for it.
    ///
    /// # Errors
    /// [`Refused::Overloaded`] if too many dispatches are in flight, or another reason why the engine did not
    /// take the envelope.
    pub async fn try_dispatch(
        &self,
        topic: impl IntoTopic,
        envelope: Envelope,
    ) -> Result<DispatchResult, Refused> {
        self.shared.check_ready()?;
        if self.shared.admission.try_acquire(1) == 0 {
            self.shared.admission.refuse();
            return Err(Refused::Overloaded { max: self.shared.admission.max() });
        }
        self.submit(topic.into_topic(), envelope, false).await.unwrap_or_else(|| Err(self.shared.lost(1)))
    }

    /// Hands an envelope to its dispatchers and answers at once: `ROUTED` with their ids. What becomes of it
    /// goes to metrics, logs and observers.
    ///
    /// # Errors
    /// [`Refused`] if the engine did not take the envelope.
    pub async fn route(&self, topic: impl IntoTopic, envelope: Envelope) -> Result<DispatchResult, Refused> {
        self.admit(1).await?;
        self.submit(topic.into_topic(), envelope, true).await.unwrap_or_else(|| Err(self.shared.lost(1)))
    }

    /// Dispatches several envelopes and waits for all: one result per envelope, in their order. They travel
    /// together, which costs a fraction of as many calls.
    pub async fn dispatch_many<T: IntoTopic>(
        &self,
        envelopes: impl IntoIterator<Item = (T, Envelope)>,
    ) -> Vec<Result<DispatchResult, Refused>> {
        let mut left: Vec<_> =
            envelopes.into_iter().map(|(topic, envelope)| (topic.into_topic(), envelope)).collect();
        if left.is_empty() {
            return Vec::new();
        }
        let wanted = left.len();
        let mut answers = Vec::new();
        while !left.is_empty() {
            // Whatever is admitted goes on its way at once: permits are never held while waiting for more.
            let Ok(admitted) = self.admit(left.len()).await else { break };
            let rest = left.split_off(admitted);
            let batch = std::mem::replace(&mut left, rest);
            answers.push((admitted, self.submit_many(batch)));
        }
        let mut results = Vec::new();
        for (size, answer) in answers {
            let part = answer.await.unwrap_or_else(|| {
                self.shared.lost(size);
                refused(size)
            });
            if results.is_empty() {
                results = part;
            } else {
                results.extend(part);
            }
        }
        results.extend(refused(wanted - results.len()));
        results
    }

    /// Takes up to `wanted` permits.
    async fn admit(&self, wanted: usize) -> Result<usize, Refused> {
        let shared = &*self.shared;
        shared.check_ready()?;
        let admitted = match shared.admission.try_acquire(wanted) {
            0 => shared.admission.acquire(wanted, || shared.check_ready().is_err()).await,
            admitted => admitted,
        };
        if shared.check_ready().is_err() {
            shared.admission.release(admitted);
            return Err(Refused::InvalidState);
        }
        Ok(admitted)
    }

    /// Sends an envelope that was admitted, and waits for its result.
    fn submit(&self, topic: TopicArg, envelope: Envelope, route_only: bool) -> Answer<Reply> {
        let (reply, answer) = oneshot::channel();
        let patience = self.shared.far_away().map(|watchdog| {
            let (topic, envelope, waited) = (topic.clone(), envelope.clone(), self.shared.patience);
            Patience::new(watchdog, waited, move || Ok(stalled(&topic, &envelope, waited)))
        });
        self.shared.router.do_send(Submit::One { topic, envelope, route_only, reply });
        Answer::new(answer, patience)
    }

    /// Sends envelopes that were admitted, and waits for their results.
    fn submit_many(&self, batch: Vec<(TopicArg, Envelope)>) -> Answer<Vec<Reply>> {
        let (reply, answer) = oneshot::channel();
        let patience = self.shared.far_away().map(|watchdog| {
            let (batch, waited) = (batch.clone(), self.shared.patience);
            let give_up =
                move |(topic, envelope): &(TopicArg, Envelope)| Ok(stalled(topic, envelope, waited));
            Patience::new(watchdog, waited, move || batch.iter().map(&give_up).collect())
        });
        self.shared.router.do_send(Submit::Many { batch, reply });
        Answer::new(answer, patience)
    }

    /// Why each route would take an envelope or not, in the order in which they would run.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has stopped.
    pub async fn explain(
        &self,
        topic: impl Into<String>,
        category: Option<Category>,
        message_type: impl Into<String>,
    ) -> Result<Explanation, Refused> {
        let ask = Explain { topic: topic.into(), category, message_type: message_type.into() };
        self.shared.router.send(ask).await.map_err(|_| Refused::InvalidState)
    }

    /// Replaces dispatchers, routes and limits, all at once: a dispatch sees the old table or the new one.
    ///
    /// What is in flight finishes on the old table. A dispatcher whose id stays keeps its actor, its state and its
    /// metrics, and takes the new time-out, concurrency, category, types and routes; code given for it is not
    /// used. Of the configuration, the routes, `timeout` and `max_in_flight` come into force; everything else
    /// stays as it was frozen.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self, mut builder: EngineBuilder) -> Result<ReloadReport, ReloadError> {
        builder.refuse_fixed_parts()?;
        self.shared.check_ready().map_err(|_| ReloadError::Stopped)?;
        let stopped = |_| ReloadError::Stopped;
        let mut running = self.shared.router.send(AskRunning).await.map_err(stopped)?;
        builder.take_pools(&running.pools)?;
        let mut table = builder.compile(&running.dispatchers)?;
        let config = builder.config;
        let entries = builder.registrations.into_iter();
        let mut registrations =
            entries.filter_map(|entry| entry.into_registration(&running.dispatchers)).collect();
        loop {
            let blueprint = Box::new(Blueprint { config: config.clone(), table, registrations });
            let swap = Swap { version: running.version, blueprint };
            match self.shared.router.send(swap).await.map_err(stopped)? {
                Ok(report) => return Ok(report),
                Err(returned) => {
                    // Another reload came first: what is to be kept may be gone.
                    running = self.shared.router.send(AskRunning).await.map_err(stopped)?;
                    check_kept(&returned, &running.dispatchers)?;
                    Blueprint { table, registrations, .. } = *returned;
                }
            }
        }
    }

    /// A consistent snapshot of the metrics: a dispatch whose result has been seen is in it.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine was stopped by anything but [`shutdown`](Engine::shutdown);
    /// after a shutdown this is the last snapshot.
    pub async fn metrics(&self) -> Result<DispatchMetrics, Refused> {
        match self.shared.collector.send(Snapshot).await {
            Ok(snapshot) => Ok(snapshot),
            Err(_) => self.shared.last_metrics.get().cloned().ok_or(Refused::InvalidState),
        }
    }

    /// The metrics of one dispatcher; `None` for an id that was never registered.
    ///
    /// # Errors
    /// As for [`metrics`](Engine::metrics).
    pub async fn dispatcher_metrics(
        &self,
        id: impl Into<DispatcherId>,
    ) -> Result<Option<DispatcherMetrics>, Refused> {
        let id = id.into();
        match self.shared.collector.send(OfDispatcher(id.clone())).await {
            Ok(metrics) => Ok(metrics),
            Err(_) => match self.shared.last_metrics.get() {
                Some(last) => Ok(last.dispatcher(id.as_str()).cloned()),
                None => Err(Refused::InvalidState),
            },
        }
    }

    /// Sets every counter to zero.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has stopped.
    pub async fn reset_metrics(&self) -> Result<(), Refused> {
        self.shared.collector.send(Reset).await.map_err(|_| Refused::InvalidState)
    }

    /// How the engine is.
    #[must_use]
    pub fn health(&self) -> EngineHealth {
        if self.shared.check_ready().is_err() || !self.shared.router.connected() {
            EngineHealth::Stopping
        } else if self.shared.down.load(SeqCst) > 0 {
            EngineHealth::Degraded
        } else {
            EngineHealth::Ready
        }
    }

    /// The supervision tree: the engine's own actors and every dispatcher.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has stopped.
    pub async fn children(&self) -> Result<Vec<Child>, Refused> {
        self.shared.router.send(AskChildren).await.map_err(|_| Refused::InvalidState)
    }

    /// Number of dispatches that were admitted and not answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.admission.in_flight()
    }

    /// The engine as an adapter: delivered means handed to its dispatchers. For a publisher, a subscription or
    /// a transport that feeds this engine.
    #[must_use]
    pub fn adapter(&self) -> impl dispatch_core::Adapter + use<> {
        let shared = &self.shared;
        Loopback::new(&shared.name, shared.router.clone(), Arc::clone(&shared.admission))
    }

    /// Stops admitting, finishes what is in flight, and ends the engine. What is not finished by the deadline
    /// is abandoned: its callers get an error result, and the report names the dispatchers.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has been shut down already.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, Refused> {
        let shared = &*self.shared;
        if shared.state.swap(STOPPING, SeqCst) != READY {
            return Err(Refused::InvalidState);
        }
        shared.admission.wake_all();
        let (reply, report) = oneshot::channel();
        shared.router.do_send(Shutdown { deadline: Some(deadline), reply: Some(reply) });
        let report = report.await.map_err(|_| Refused::InvalidState)?;
        if let Some(metrics) = &report.metrics {
            // Only the first shutdown gets here.
            let _ = shared.last_metrics.set(metrics.clone());
        }
        Ok(report)
    }
}

/// A reload was refused; the engine is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The new dispatchers, routes or limits are not valid.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The engine has stopped.
    #[error("the engine has been shut down: freeze a new one")]
    Stopped,
}

/// The dispatchers without code must still run.
fn check_kept(
    blueprint: &Blueprint,
    running: &BTreeMap<DispatcherId, dispatch_core::DispatcherSpec>,
) -> Result<(), RegistrationError> {
    let gone = blueprint.registrations.iter().filter(|registration| {
        registration.is_kept() && running.get(&registration.spec.id) != Some(&registration.spec)
    });
    let problems = gone.map(|registration| {
        let id = &registration.spec.id;
        dispatch_core::Problem::new(
            ErrorCode::ItemNotRegistered,
            format!("dispatcher '{id}' is to be kept but was changed by another reload: try again"),
        )
    });
    RegistrationError::check(problems.collect())
}

/// The result for a caller on another thread when the engine's thread does not move.
fn stalled(topic: &TopicArg, envelope: &Envelope, waited: Duration) -> DispatchResult {
    let dispatch_id = Uuid::now_v7();
    let mut ids = IdGenerator::from_seed(dispatch_id.as_u64_pair().1);
    let trace = envelope.trace();
    let (topic, category) = match topic {
        TopicArg::Valid(topic) => (TopicText::Valid(topic.clone()), topic.category()),
        TopicArg::Refused(refused) => (refused.text.clone(), None),
    };
    let message_type: MessageType = envelope.message_type();
    let path = Path { topic, category, message_type: Some(message_type), legs: Box::default() };
    let subject = Subject {
        identity: Identity {
            dispatch_id,
            correlation_id: envelope.correlation_id().unwrap_or_else(|| ids.uuid_v4()),
            trace_id: trace.map_or_else(|| ids.trace_id(), |trace| trace.trace_id),
            span_id: ids.span_id(),
        },
        path: Arc::new(path),
        started_at: SystemTime::now().checked_sub(waited).unwrap_or(SystemTime::UNIX_EPOCH),
    };
    let failure = Failure {
        code: ErrorCode::Timeout,
        message: format!(
            "Engine thread did not answer within {} ms: a handler blocks it.",
            waited.as_millis()
        ),
    };
    DispatchResult::unhandled(subject, DispatchStatus::Timeout, failure, waited)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("name", &self.shared.name)
            .field("health", &self.health())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}
