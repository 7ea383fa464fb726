use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{
    DeadLetter, DeadLetterOrigin, DeliveryError, DeliveryEvent, DeliveryLabels, Health, HealthStatus, Receipt,
};
use dispatch_core::policy::{BreakerPhase, Failure as _, History, RefusedBy};
use dispatch_core::uuid::Uuid;
use futures_util::FutureExt;
use tokio::sync::{Semaphore, watch};
use tracing::{Instrument, Level};

use super::Fallback;
use super::route::{Course, Route};
use super::vitals::Vitals;
use crate::dead_letters::DeadLetters;
use crate::policy::{Breaker, Gate, Telemetry};

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
    /// How often an envelope is tried.
    pub(super) attempts: u32,
    /// How long the failed probes of an outage are free.
    pub(super) hold_for: Duration,
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

    pub(super) fn batch_span(&self, envelopes: usize) -> tracing::Span {
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
            Err(error) => self.failed(envelope, self.recall(course.before, error)).boxed().await,
        }
    }

    /// What comes after the last failure of an envelope, in a span if anybody looks.
    pub(super) async fn settle(
        &self,
        envelope: &Envelope,
        before: Option<&History>,
        error: DeliveryError,
    ) -> Result<Receipt, DeliveryError> {
        let settled = self.failed(envelope, self.recall(before, error));
        if tracing::span_enabled!(Level::INFO) {
            settled.instrument(self.span(envelope)).boxed().await
        } else {
            settled.boxed().await
        }
    }

    /// The error with what was tried before, so that whoever reads it knows of all turns.
    pub(super) fn recall(&self, before: Option<&History>, error: DeliveryError) -> DeliveryError {
        let Some(before) = before else {
            return error;
        };
        let history = match error.history() {
            Some(later) => later.clone().after(before),
            // Without a retry policy it was one attempt, if it was any.
            None if error.refusal().is_some() => before.clone(),
            None => before.clone().with_failure(self.telemetry.now()),
        };
        error.with_history(history)
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
