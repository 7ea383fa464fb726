use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{
    DeadLetter, DeadLetterOrigin, DeliveryError, DeliveryEvent, DeliveryLabels, Health, HealthStatus,
    Progress, Receipt,
};
use dispatch_core::policy::{BatchPolicy, BreakerPhase, RefusedBy};
use dispatch_core::uuid::Uuid;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tracing::{Instrument, Level};

use super::Fallback;
use super::route::{Course, Route};
use super::vitals::Vitals;
use crate::dead_letters::DeadLetters;
use crate::policy::{Breaker, Call, Gate, Moment, Policy, Rates, Telemetry};

/// What the clones of a delivery share.
pub(super) struct Shared {
    pub(super) telemetry: Telemetry,
    pub(super) route: Route,
    pub(super) breaker: Option<Breaker>,
    pub(super) fallback: Option<Fallback>,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) gate: Gate,
    pub(super) stopped: AtomicBool,
    pub(super) vitals: Vitals,
    /// What bounds the mailbox: one permit for each job that has no result.
    pub(super) room: Arc<Semaphore>,
    pub(super) queue: usize,
    /// When a batch is full, and when it is old; one envelope without one.
    pub(super) batch: BatchPolicy,
    /// How often an envelope is tried.
    pub(super) attempts: u32,
    /// How long an attempt may take.
    pub(super) timeout: Duration,
    /// What its actor left behind, once it has ended.
    pub(super) abandoned: watch::Receiver<Option<Vec<Envelope>>>,
}

impl Shared {
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Delivers, with everything that comes after a failure, in a span if anybody looks.
    pub(super) async fn deliver(
        &self,
        envelope: &Envelope,
        course: Course<'_>,
    ) -> Result<Receipt, DeliveryError> {
        if !tracing::span_enabled!(Level::INFO) {
            return self.deliver_or_bury(envelope, course).await;
        }
        // In a box, so that it takes no room in the future of those who do not look.
        self.deliver_or_bury(envelope, course).instrument(self.span(envelope)).boxed().await
    }

    fn span(&self, envelope: &Envelope) -> tracing::Span {
        let DeliveryLabels { adapter, destination } = self.telemetry.labels();
        tracing::info_span!(
            "deliver",
            %adapter, %destination, envelope_id = %envelope.id(), message_type = envelope.message_type_str()
        )
    }

    fn batch_span(&self, envelopes: usize) -> tracing::Span {
        let DeliveryLabels { adapter, destination } = self.telemetry.labels();
        tracing::info_span!("deliver_batch", %adapter, %destination, envelopes)
    }

    async fn deliver_or_bury(
        &self,
        envelope: &Envelope,
        course: Course<'_>,
    ) -> Result<Receipt, DeliveryError> {
        let _running = self.vitals.enter();
        let result = if self.gate.is_closed() {
            Err(Gate::refuse(&self.telemetry))
        } else {
            let result = self.route.deliver(envelope, course).await;
            self.vitals.note(&result, course.moment);
            result
        };
        match result {
            Ok(receipt) => {
                self.telemetry.emit(DeliveryEvent::Delivered);
                Ok(receipt)
            }
            Err(error) => self.failed(envelope, error).boxed().await,
        }
    }

    /// Delivers the first of a list of envelopes, in their order and together: as many as fit into a batch and pass the
    /// rate limits before it is old. Each outcome is told as soon as it is known; how many there were, at least one.
    ///
    /// Without a batch it is one, and `progress` is its.
    pub(super) async fn deliver_some(
        &self,
        envelopes: &[Envelope],
        progress: &Progress,
        moment: &Moment,
        mut told: impl FnMut(usize, Result<Receipt, DeliveryError>) + Send,
    ) -> usize {
        let Route::Batched(adapter) = &self.route else {
            if let Some(envelope) = envelopes.first() {
                told(0, self.deliver(envelope, Course { progress, moment }).await);
            }
            return 1;
        };
        let _running = self.vitals.enter();
        if self.gate.is_closed() {
            if let Some(envelope) = envelopes.first() {
                told(0, self.settle(envelope, Gate::refuse(&self.telemetry)).await);
            }
            return 1;
        }
        let (passed, refused) = self.pass(envelopes, adapter.policy()).await;
        if let Some(error) = refused {
            told(passed, Err(error));
        }
        let Some(batch) = envelopes.get(..passed).filter(|batch| !batch.is_empty()) else {
            return 1;
        };
        let (tell, mut answers) = mpsc::unbounded_channel();
        let send = async move {
            let mut audience = move |place, answer| {
                // The other half waits for all of them.
                let _ = tell.send((place, answer));
            };
            let sent = adapter.inner().send(batch.to_vec(), &mut audience, moment);
            if tracing::span_enabled!(Level::INFO) {
                sent.instrument(self.batch_span(batch.len())).boxed().await;
            } else {
                sent.await;
            }
        };
        let settle = async {
            // One failure after the other goes its way, and keeps back the answers of none that was delivered.
            let mut failed: VecDeque<(&Envelope, usize, DeliveryError)> = VecDeque::new();
            let mut settling: OptionFuture<BoxFuture<'_, _>> = None.into();
            let (mut open, mut busy) = (true, false);
            loop {
                if !busy && let Some((envelope, place, error)) = failed.pop_front() {
                    busy = true;
                    let settle = async move { (place, self.settle(envelope, error).await) };
                    settling = Some(settle.boxed()).into();
                }
                tokio::select! {
                    biased;
                    answer = answers.recv(), if open => match answer {
                        Some((place, answer)) => {
                            self.vitals.note(&answer, moment);
                            match (answer, batch.get(place)) {
                                (Ok(receipt), _) => {
                                    self.telemetry.emit(DeliveryEvent::Delivered);
                                    told(place, Ok(receipt));
                                }
                                (Err(error), Some(envelope)) => failed.push_back((envelope, place, error)),
                                (Err(error), None) => told(place, Err(error)),
                            }
                        }
                        None => open = false,
                    },
                    Some((place, outcome)) = &mut settling, if busy => {
                        busy = false;
                        told(place, outcome);
                    }
                    else => break,
                }
            }
        };
        join(send, settle).await;
        passed
    }

    /// How many of a list pass the rate limits, one after the other, before their batch is full or old; and why the next
    /// one may not, if it is refused first of all.
    async fn pass(&self, envelopes: &[Envelope], rates: &Rates) -> (usize, Option<DeliveryError>) {
        let since = Instant::now();
        for (passed, envelope) in envelopes.iter().take(self.batch.max_size).enumerate() {
            let call = Call::new(&self.telemetry).with_key(envelope.key());
            let age = since.elapsed().saturating_add(rates.wait(call));
            if passed > 0 && age >= self.batch.max_age {
                return (passed, None);
            }
            if let Err(error) = rates.apply(call, || std::future::ready(Ok(()))).await {
                return (passed, Some(error).filter(|_| passed == 0));
            }
        }
        (envelopes.len().min(self.batch.max_size), None)
    }

    /// What comes after the last failure of an envelope, in a span if anybody looks.
    async fn settle(&self, envelope: &Envelope, error: DeliveryError) -> Result<Receipt, DeliveryError> {
        let settled = self.failed(envelope, error);
        if tracing::span_enabled!(Level::INFO) {
            settled.instrument(self.span(envelope)).boxed().await
        } else {
            settled.boxed().await
        }
    }

    async fn failed(&self, envelope: &Envelope, error: DeliveryError) -> Result<Receipt, DeliveryError> {
        // Of a batch it is known only here, unless it was the answer to all of it.
        self.gate.note(&error, self.telemetry.labels());
        // What a destination does not want any more is not refused for now, but for good.
        let refused = error.refusal().map(|refusal| refusal.by).filter(|by| *by != RefusedBy::Disabled);
        if let Some(fallback) = &self.fallback
            && refused.is_none_or(|by| by == RefusedBy::CircuitOpen)
        {
            match fallback.take(envelope, &error, self.timeout).await {
                Ok(receipt) => {
                    self.telemetry.emit(DeliveryEvent::FellBack);
                    return Ok(receipt);
                }
                Err(second) => {
                    tracing::warn!(envelope_id = %envelope.id(), error = %second, "the fallback failed too");
                }
            }
        }
        if refused.is_some() {
            return Err(error);
        }
        self.bury(envelope, &error).await;
        Err(error)
    }

    /// An envelope has failed for good: says so, and hands it to the dead letters.
    pub(super) async fn bury(&self, envelope: &Envelope, error: &DeliveryError) {
        self.telemetry.emit(DeliveryEvent::Failed { kind: error.kind() });
        let DeliveryLabels { adapter, destination } = self.telemetry.labels();
        let attempts =
            error.history().map_or(u32::from(error.refusal().is_none()), |history| history.attempts);
        let letters = self.dead_letters.as_ref().filter(|_| !DeadLetter::is_in(envelope));
        tracing::warn!(
            %adapter, %destination, attempts, envelope_id = %envelope.id(), message_type = envelope.message_type_str(),
            error = %error, dead_lettered = letters.is_some(), "delivery failed for good"
        );
        let Some(letters) = letters else {
            return;
        };
        let origin =
            DeadLetterOrigin::Delivery { adapter: adapter.to_string(), destination: destination.to_string() };
        let now = self.telemetry.now();
        let letter = DeadLetter::of_failure(Uuid::now_v7(), envelope.clone(), origin, error, now);
        match letters.put(letter).await {
            Ok(()) => self.telemetry.emit(DeliveryEvent::DeadLettered),
            Err(letter) => tracing::error!(
                dead_letter_id = %letter.id, envelope_id = %envelope.id(),
                "a dead letter came after its targets were closed; the caller has the error, nobody has the letter"
            ),
        }
    }

    pub(super) async fn health(&self) -> Health {
        let inner = self.route.health().await;
        let phase = self.breaker.as_ref().map(Breaker::phase);
        let own = self.vitals.health(self.telemetry.now());
        let status = match phase {
            _ if self.gate.is_closed() => HealthStatus::Unhealthy,
            Some(BreakerPhase::Open) => HealthStatus::Unhealthy,
            Some(BreakerPhase::HalfOpen) => HealthStatus::Degraded,
            _ if inner.status != HealthStatus::Unknown => inner.status,
            _ => own.status,
        };
        Health {
            status,
            latency: inner.latency.or(own.latency),
            last_success: inner.last_success.max(own.last_success),
        }
    }
}
