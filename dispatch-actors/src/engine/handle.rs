use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use dispatch_core::dispatch::DispatchResult;
use dispatch_core::route::Explanation;
use dispatch_core::{Category, DispatcherId, Envelope};
use dispatch_metrics::{DispatchMetrics, DispatcherMetrics};
use tokio::sync::oneshot;

use super::answer::{Answer, Patience};
use super::builder::EngineBuilder;
use super::loopback::Loopback;
use super::shared::Shared;
use super::{EngineHealth, IntoTopic, Refused, ShutdownReport, TopicArg};
use crate::admission::Permits;
use crate::collector::{OfDispatcher, Reset, Snapshot};
use crate::flight::Reply;
use crate::router::{AskChildren, AskTable, Shutdown, Submit};
use crate::supervision::Child;

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
    pub(super) shared: Arc<Shared>,
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
        let permit = match self.shared.admit_now() {
            Some(permit) => permit,
            None => match self.admit(1).await {
                Ok(permit) => permit,
                Err(not) => return self.not_admitted(&not, &topic.into_topic(), &envelope),
            },
        };
        self.submit(permit, topic.into_topic(), envelope, false)
            .await
            .unwrap_or_else(|_| Err(self.shared.lost(1)))
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
        let Some(permit) = self.shared.admission.try_permit() else {
            self.shared.admission.refuse();
            return Err(Refused::Overloaded { max: self.shared.admission.max() });
        };
        self.submit(permit, topic.into_topic(), envelope, false)
            .await
            .unwrap_or_else(|_| Err(self.shared.lost(1)))
    }

    /// Dispatches an envelope to those of its dispatchers that have not handled it before, and waits for its one result:
    /// for another attempt at what has succeeded in part. If nobody is left the result is
    /// [`Skipped`](dispatch_core::DispatchStatus::Skipped).
    ///
    /// # Errors
    /// As for [`dispatch`](Self::dispatch).
    pub async fn dispatch_rest(
        &self,
        topic: impl IntoTopic,
        envelope: Envelope,
        handled: impl IntoIterator<Item = DispatcherId>,
    ) -> Result<DispatchResult, Refused> {
        let handled: Box<[DispatcherId]> = handled.into_iter().collect();
        let topic = topic.into_topic();
        let permit = match self.admit(1).await {
            Ok(permit) => permit,
            Err(not) => return self.not_admitted(&not, &topic, &envelope),
        };
        let submit = |topic, envelope, reply| Submit::Rest { topic, envelope, handled, reply };
        self.submit_as(permit, topic, envelope, submit).await.unwrap_or_else(|_| Err(self.shared.lost(1)))
    }

    /// Hands an envelope to its dispatchers and answers at once: `ROUTED` with their ids. What becomes of it
    /// goes to metrics, logs and observers.
    ///
    /// # Errors
    /// [`Refused`] if the engine did not take the envelope.
    pub async fn route(&self, topic: impl IntoTopic, envelope: Envelope) -> Result<DispatchResult, Refused> {
        let permit = match self.admit(1).await {
            Ok(permit) => permit,
            Err(not) => return self.not_admitted(&not, &topic.into_topic(), &envelope),
        };
        self.submit(permit, topic.into_topic(), envelope, true)
            .await
            .unwrap_or_else(|_| Err(self.shared.lost(1)))
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
        let mut answers = Vec::new();
        let mut unsent = Vec::new();
        while !left.is_empty() {
            // Whatever is admitted goes on its way at once: permits are never held while waiting for more.
            match self.admit(left.len()).await {
                Ok(permits) => {
                    let rest = left.split_off(permits.count());
                    let batch = std::mem::replace(&mut left, rest);
                    answers.push((batch.len(), self.submit_many(permits, batch)));
                }
                Err(not) => {
                    let left = left.drain(..);
                    unsent.extend(left.map(|(topic, envelope)| self.not_admitted(&not, &topic, &envelope)));
                }
            }
        }
        let mut results = Vec::new();
        for (size, answer) in answers {
            let part = answer.await.unwrap_or_else(|_| {
                self.shared.lost(size);
                refused(size)
            });
            if results.is_empty() {
                results = part;
            } else {
                results.extend(part);
            }
        }
        results.extend(unsent);
        results
    }

    /// Takes up to `wanted` permits. A caller on another thread gives up on an engine whose thread does not move.
    async fn admit(&self, wanted: usize) -> Result<Permits<'_>, NotAdmitted> {
        let shared = &*self.shared;
        shared.check_ready().map_err(NotAdmitted::Refused)?;
        let admitted = match shared.admission.try_acquire(wanted) {
            0 => {
                let acquired = shared.admission.acquire(wanted, || shared.check_ready().is_err());
                match shared.far_away() {
                    None => acquired.await,
                    Some(watchdog) => {
                        let waited = watchdog.patience();
                        let mut patience = Patience::new(watchdog, waited, || ());
                        tokio::select! {
                            biased;
                            admitted = acquired => admitted,
                            () = poll_fn(|cx| patience.poll(cx)) => return Err(NotAdmitted::Stalled(waited)),
                        }
                    }
                }
            }
            admitted => admitted,
        };
        let permits = Permits::of(&shared.admission, admitted);
        shared.check_ready().map_err(NotAdmitted::Refused)?;
        Ok(permits)
    }

    /// The answer for an envelope that got no permit.
    fn not_admitted(&self, not: &NotAdmitted, topic: &TopicArg, envelope: &Envelope) -> Reply {
        match not {
            NotAdmitted::Refused(refused) => Err(refused.clone()),
            NotAdmitted::Stalled(waited) => Ok(self.shared.stalled.result(topic, envelope, *waited)),
        }
    }

    /// Sends an envelope that was admitted, and waits for its result.
    fn submit(
        &self,
        permit: Permits<'_>,
        topic: TopicArg,
        envelope: Envelope,
        route_only: bool,
    ) -> Answer<Reply> {
        let submit = |topic, envelope, reply| Submit::One { topic, envelope, route_only, reply };
        self.submit_as(permit, topic, envelope, submit)
    }

    /// Sends an envelope that was admitted, in whatever form, and waits for its result.
    #[inline]
    fn submit_as(
        &self,
        permit: Permits<'_>,
        topic: TopicArg,
        envelope: Envelope,
        submit: impl FnOnce(TopicArg, Envelope, oneshot::Sender<Reply>) -> Submit,
    ) -> Answer<Reply> {
        let (reply, answer) = oneshot::channel();
        let patience = self.shared.far_away().map(|watchdog| {
            let (topic, envelope, waited) = (topic.clone(), envelope.clone(), watchdog.patience());
            let stalled = Arc::clone(&self.shared.stalled);
            Patience::new(watchdog, waited, move || Ok(stalled.result(&topic, &envelope, waited)))
        });
        permit.hand_over();
        self.shared.router.do_send(submit(topic, envelope, reply));
        Answer::new(answer, patience)
    }

    /// Sends envelopes that were admitted, and waits for their results.
    fn submit_many(&self, permits: Permits<'_>, batch: Vec<(TopicArg, Envelope)>) -> Answer<Vec<Reply>> {
        let (reply, answer) = oneshot::channel();
        let patience = self.shared.far_away().map(|watchdog| {
            let (batch, waited) = (batch.clone(), watchdog.patience());
            let stalled = Arc::clone(&self.shared.stalled);
            let give_up =
                move |(topic, envelope): &(TopicArg, Envelope)| Ok(stalled.result(topic, envelope, waited));
            Patience::new(watchdog, waited, move || batch.iter().map(&give_up).collect())
        });
        permits.hand_over();
        self.shared.router.do_send(Submit::Many { batch, reply });
        Answer::new(answer, patience)
    }

    /// Why each route would take an envelope or not, in the order in which they would run.
    ///
    /// It looks at every route, which takes a third of a second for a million of them. That happens on a blocking
    /// thread of the caller's runtime, or on the caller's thread if it has none; the engine goes on meanwhile.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has stopped.
    pub async fn explain(
        &self,
        topic: impl Into<String>,
        category: Option<Category>,
        message_type: impl Into<String>,
    ) -> Result<Explanation, Refused> {
        let (topic, message_type) = (topic.into(), message_type.into());
        let table = self.shared.router.send(AskTable).await.map_err(|_| Refused::InvalidState)?;
        let explain = move || table.explain(&topic, category, &message_type);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(explain).await.map_err(|_| Refused::InvalidState),
            Err(_) => Ok(explain()),
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
        Loopback::for_others(&self.shared)
    }

    /// Stops admitting, finishes what is in flight, and ends the engine. What is not finished by the deadline
    /// is abandoned: its callers get an error result, and the report names the dispatchers. A caller on another
    /// thread gets a report without names and metrics if the engine's thread is blocked.
    ///
    /// # Errors
    /// [`Refused::InvalidState`] if the engine has been shut down already.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, Refused> {
        let shared = &*self.shared;
        if !shared.stop() {
            return Err(Refused::InvalidState);
        }
        let (reply, report) = oneshot::channel();
        shared.router.do_send(Shutdown { deadline: Some(deadline), reply: Some(reply) });
        let patience = shared.far_away().map(|watchdog| {
            let (admission, waited) =
                (Arc::clone(&shared.admission), deadline.saturating_add(watchdog.patience()));
            Patience::new(watchdog, waited, move || ShutdownReport::unfinished(admission.in_flight(), waited))
        });
        let report = Answer::new(report, patience).await.map_err(|_| Refused::InvalidState)?;
        if let Some(metrics) = &report.metrics {
            // Only the first shutdown gets here.
            let _ = shared.last_metrics.set(metrics.clone());
        }
        Ok(report)
    }
}

/// Why there is no permit.
enum NotAdmitted {
    Refused(Refused),
    /// The engine's thread did not move for so long.
    Stalled(Duration),
}

/// Answers for envelopes that a stopped engine has not taken or will not answer.
fn refused(envelopes: usize) -> Vec<Reply> {
    (0..envelopes).map(|_| Err(Refused::InvalidState)).collect()
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
