use std::sync::atomic::{AtomicU8, Ordering};

use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
use dispatch_core::policy::{BreakerPhase, RefusedBy};

use super::atomic::{Count, Gauge, SharedLatency};
use super::{AttemptMetrics, AttemptOutcome, BreakerMetrics, DestinationMetrics, FailureMetrics};

/// Counts what happens to the deliveries of one destination; made by
/// [`DeliveryRecorder::meter`](crate::DeliveryRecorder::meter).
///
/// As an observer it does not look at the labels: whatever it is told, it counts. An event costs a few atomic
/// additions.
#[derive(Debug, Default)]
pub struct DeliveryMeter {
    in_flight: Gauge,
    /// By outcome; time-outs stand under `Retry` until they are read.
    outcomes: Outcomes,
    /// Attempts that took too long. Each is followed by an outcome.
    timed_out: Count,
    abandoned: Count,
    latency: SharedLatency,
    delivered: Count,
    /// By what the last attempt failed with.
    failed: Outcomes,
    fell_back: Count,
    retries: Count,
    budget_waits: Count,
    held: Count,
    rate_limited: Count,
    refused: [Count; RefusedBy::ALL.len()],
    batches: Count,
    batched_envelopes: Count,
    breaker: Breaker,
    dead_lettered: Count,
    dead_letters_stored: Count,
    dead_letters_kept: Count,
}

#[derive(Debug, Default)]
struct Outcomes {
    delivered: Count,
    permanent: Count,
    retry: Count,
    retry_after: Count,
    disabled: Count,
}

impl Outcomes {
    #[inline]
    const fn of(&self, outcome: AttemptOutcome) -> &Count {
        match outcome {
            AttemptOutcome::Delivered => &self.delivered,
            AttemptOutcome::Permanent => &self.permanent,
            AttemptOutcome::Retry | AttemptOutcome::TimedOut => &self.retry,
            AttemptOutcome::RetryAfter => &self.retry_after,
            AttemptOutcome::Disabled => &self.disabled,
        }
    }

    const fn all(&self) -> [&Count; 5] {
        [&self.delivered, &self.permanent, &self.retry, &self.retry_after, &self.disabled]
    }
}

#[derive(Debug, Default)]
struct Breaker {
    /// Index into [`BreakerPhase::ALL`], whose first is the closed one.
    phase: AtomicU8,
    opened: Count,
    half_opened: Count,
    closed: Count,
}

impl Breaker {
    fn changed(&self, to: BreakerPhase) {
        let (number, count) = match to {
            BreakerPhase::Closed => (0, &self.closed),
            BreakerPhase::Open => (1, &self.opened),
            BreakerPhase::HalfOpen => (2, &self.half_opened),
        };
        self.phase.store(number, Ordering::Relaxed);
        count.add(1);
    }

    fn get(&self) -> BreakerMetrics {
        let phase = BreakerPhase::ALL.get(usize::from(self.phase.load(Ordering::Relaxed)));
        BreakerMetrics {
            phase: phase.copied().unwrap_or(BreakerPhase::Closed),
            opened: self.opened.get(),
            half_opened: self.half_opened.get(),
            closed: self.closed.get(),
        }
    }
}

impl DeliveryMeter {
    /// Counts one event.
    #[inline]
    pub fn record(&self, event: &DeliveryEvent) {
        match *event {
            DeliveryEvent::Started => self.in_flight.up(),
            DeliveryEvent::Attempted { failed, latency } => {
                let outcome = failed.map_or(AttemptOutcome::Delivered, AttemptOutcome::failed);
                self.in_flight.down();
                self.outcomes.of(outcome).add(1);
                self.latency.record(latency);
            }
            DeliveryEvent::Abandoned => {
                self.in_flight.down();
                self.abandoned.add(1);
            }
            DeliveryEvent::TimedOut => self.timed_out.add(1),
            DeliveryEvent::Retrying { .. } => self.retries.add(1),
            DeliveryEvent::BudgetEmpty { .. } => self.budget_waits.add(1),
            DeliveryEvent::Held { .. } => self.held.add(1),
            DeliveryEvent::BreakerChanged { to, .. } => self.breaker.changed(to),
            DeliveryEvent::RateLimited { .. } => self.rate_limited.add(1),
            DeliveryEvent::Refused { by } => {
                let policies = RefusedBy::ALL.iter().zip(&self.refused);
                policies.filter(|(policy, _)| **policy == by).for_each(|(_, count)| count.add(1));
            }
            DeliveryEvent::Batched { size } => {
                self.batches.add(1);
                self.batched_envelopes.add(size as u64);
            }
            DeliveryEvent::FellBack => self.fell_back.add(1),
            DeliveryEvent::Delivered => self.delivered.add(1),
            DeliveryEvent::Failed { kind } => self.failed.of(AttemptOutcome::failed(kind)).add(1),
            DeliveryEvent::DeadLettered => self.dead_lettered.add(1),
            DeliveryEvent::DeadLetterStored => self.dead_letters_stored.add(1),
            DeliveryEvent::DeadLetterKept => self.dead_letters_kept.add(1),
            // Events to come have no figures yet.
            _ => {}
        }
    }

    /// The figures so far. Each of them is exact; two of them that are read while deliveries run may be apart by
    /// what happened in between.
    #[must_use]
    pub fn snapshot(&self) -> DestinationMetrics {
        let retry = self.outcomes.retry.get();
        // An attempt that took too long and has not ended yet has no outcome yet.
        let timed_out = self.timed_out.get().min(retry);
        DestinationMetrics {
            attempts: AttemptMetrics {
                delivered: self.outcomes.delivered.get(),
                permanent: self.outcomes.permanent.get(),
                retry: retry - timed_out,
                retry_after: self.outcomes.retry_after.get(),
                disabled: self.outcomes.disabled.get(),
                timed_out,
            },
            abandoned: self.abandoned.get(),
            in_flight: self.in_flight.get(),
            latency: self.latency.get(),
            delivered: self.delivered.get(),
            failed: FailureMetrics {
                permanent: self.failed.permanent.get(),
                retry: self.failed.retry.get(),
                retry_after: self.failed.retry_after.get(),
                disabled: self.failed.disabled.get(),
            },
            fell_back: self.fell_back.get(),
            retries: self.retries.get(),
            budget_waits: self.budget_waits.get(),
            held: self.held.get(),
            rate_limited: self.rate_limited.get(),
            refused: RefusedBy::ALL.into_iter().zip(self.refused.iter().map(Count::get)).collect(),
            batches: self.batches.get(),
            batched_envelopes: self.batched_envelopes.get(),
            breaker: self.breaker.get(),
            dead_lettered: self.dead_lettered.get(),
            dead_letters_stored: self.dead_letters_stored.get(),
            dead_letters_kept: self.dead_letters_kept.get(),
        }
    }

    /// Starts again from nothing; what is in flight, and the phase of the breaker, stay.
    pub fn reset(&self) {
        let breaker = [&self.breaker.opened, &self.breaker.half_opened, &self.breaker.closed];
        let single = [
            &self.timed_out,
            &self.abandoned,
            &self.delivered,
            &self.fell_back,
            &self.retries,
            &self.budget_waits,
            &self.held,
            &self.rate_limited,
            &self.batches,
            &self.batched_envelopes,
            &self.dead_lettered,
            &self.dead_letters_stored,
            &self.dead_letters_kept,
        ];
        let outcomes = self.outcomes.all().into_iter().chain(self.failed.all());
        // The outcomes go first: a time-out in between is then one that failed, and no later failure is a time-out.
        outcomes.chain(single).chain(breaker).chain(&self.refused).for_each(Count::reset);
        self.latency.reset();
    }
}

impl DeliveryObserver for DeliveryMeter {
    #[inline]
    fn on_event(&self, _: &DeliveryLabels, event: &DeliveryEvent) {
        self.record(event);
    }
}
