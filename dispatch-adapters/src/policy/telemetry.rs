use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
use dispatch_core::policy::{Failure, Refusal, RefusedBy};
use dispatch_core::{Clock, SystemClock};
use tokio::time::Instant;

use super::moment::Moment;

/// Who is told what policies do, under which labels, and what time it is.
#[derive(Clone)]
pub struct Telemetry {
    labels: Arc<DeliveryLabels>,
    observers: Arc<[Arc<dyn DeliveryObserver>]>,
    clock: Arc<dyn Clock>,
}

impl Telemetry {
    /// Nobody is told.
    #[must_use]
    pub fn new(labels: DeliveryLabels) -> Self {
        Self { labels: Arc::new(labels), observers: Arc::new([]), clock: Arc::new(SystemClock) }
    }

    /// Tells these observers.
    #[must_use]
    pub fn with_observers(mut self, observers: impl IntoIterator<Item = Arc<dyn DeliveryObserver>>) -> Self {
        self.observers = observers.into_iter().collect();
        self
    }

    /// Takes wall time from this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The labels.
    #[must_use]
    pub fn labels(&self) -> &DeliveryLabels {
        &self.labels
    }

    /// Wall time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Tells the observers.
    pub fn emit(&self, event: DeliveryEvent) {
        for observer in &*self.observers {
            let told = catch_unwind(AssertUnwindSafe(|| observer.on_event(&self.labels, &event)));
            if told.is_err() {
                tracing::error!(
                    adapter = &*self.labels.adapter,
                    destination = &*self.labels.destination,
                    "a delivery observer panicked; it will be told again about the next event"
                );
            }
        }
    }

    /// The error of a call that a policy does not let through; the observers are told. Nothing was sent, and a
    /// [`Retry`](super::Retry) further outside does not count it as an attempt.
    pub fn refuse<E: Failure>(&self, by: RefusedBy, retry_in: Option<Duration>) -> E {
        self.emit(DeliveryEvent::Refused { by });
        E::refused(Refusal {
            by,
            service: Arc::clone(&self.labels.destination),
            transport: Arc::clone(&self.labels.adapter),
            retry_in,
        })
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// One call, as policies see it.
///
/// A policy follows two rules, so that what is further inside is not blamed for time that it did not take:
/// - It reads the time from [`clock`](Self::clock).
/// - It calls [`waited`](Self::waited) after it has waited for something.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who is told.
    pub telemetry: &'a Telemetry,
    /// What the limits that go by key go by.
    pub key: Option<&'a str>,
    moment: Option<&'a Moment>,
    envelopes: usize,
}

impl<'a> Call<'a> {
    /// A call without a key.
    #[must_use]
    pub const fn new(telemetry: &'a Telemetry) -> Self {
        Self { telemetry, key: None, moment: None, envelopes: 1 }
    }

    /// Adds what the limits that go by key go by.
    #[must_use]
    pub const fn with_key(mut self, key: Option<&'a str>) -> Self {
        self.key = key;
        self
    }

    /// Says that it is a batch of so many.
    pub(crate) const fn with_envelopes(mut self, count: usize) -> Self {
        self.envelopes = count;
        self
    }

    /// How many envelopes it is for.
    pub(crate) const fn envelopes(&self) -> usize {
        self.envelopes
    }

    /// Lets the policies share readings of the clock. Whoever makes the attempts must [forget](Moment::forget) the
    /// reading after each.
    pub(crate) const fn at(mut self, moment: &'a Moment) -> Self {
        self.moment = Some(moment);
        self
    }

    /// The time on the runtime's clock. Policies of one call share a reading until one of them has
    /// [waited](Self::waited): reading the clock costs more than most policies do.
    #[must_use]
    pub fn clock(&self) -> Instant {
        self.moment.map_or_else(Instant::now, Moment::now)
    }

    /// Says when policies further inside stop waiting.
    pub(crate) fn give_up_by(&self, end: Option<Instant>) {
        if let (Some(moment), Some(end)) = (self.moment, end) {
            moment.give_up_by(end);
        }
    }

    /// When a policy that holds the call stops waiting.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        self.moment.and_then(Moment::gives_up_at)
    }

    /// It was held for so long by a breaker.
    pub(crate) fn held(&self, time: Duration) {
        if let Some(moment) = self.moment {
            moment.add_held(time);
        }
    }

    /// Whether it is held for as long as it takes.
    pub(crate) fn is_patient(&self) -> bool {
        self.moment.is_some_and(Moment::is_patient)
    }

    /// How long of the time since it began it was held, if that does not count.
    pub(crate) fn time_held(&self) -> Duration {
        self.moment.map_or(Duration::ZERO, Moment::held)
    }

    /// Since when it has failed as a probe, this time included.
    pub(crate) fn failing_since(&self, now: Instant) -> Instant {
        self.moment.map_or(now, |moment| moment.failing_since(now))
    }

    /// Time has passed: the next reading of the [`clock`](Self::clock) is a new one. For policies, after they have
    /// waited for something other than the attempt.
    pub fn waited(&self) {
        if let Some(moment) = self.moment {
            moment.forget();
        }
    }
}
