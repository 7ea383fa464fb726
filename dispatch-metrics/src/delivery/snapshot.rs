use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch_core::policy::RefusedBy;
use serde::{Deserialize, Serialize};

use super::{AttemptMetrics, BreakerMetrics, FailureMetrics};
use crate::Latency;

/// What has become of deliveries, by adapter and destination.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
/// use dispatch_metrics::DeliveryRecorder;
///
/// let recorder = DeliveryRecorder::new();
/// let labels = DeliveryLabels::new("webhook", "https://example.com/");
/// recorder.on_event(&labels, &DeliveryEvent::Started);
/// recorder.on_event(&labels, &DeliveryEvent::Attempted { failed: None, latency: Duration::from_millis(3) });
/// recorder.on_event(&labels, &DeliveryEvent::Delivered);
///
/// let metrics = recorder.snapshot();
/// let webhook = metrics.destination("webhook", "https://example.com/").expect("it was used");
/// assert_eq!((webhook.attempt_count(), webhook.delivered), (1, 1));
/// assert_eq!(webhook.latency.max(), Some(Duration::from_millis(3)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeliveryMetrics {
    /// Figures by name of the adapter, then by destination; those beyond the bound are under
    /// [`OTHER_DESTINATIONS`](crate::OTHER_DESTINATIONS) in both.
    pub adapters: BTreeMap<Arc<str>, BTreeMap<Arc<str>, DestinationMetrics>>,
    /// How many destinations are told apart.
    pub destination_limit: usize,
}

impl DeliveryMetrics {
    /// The figures of one destination, if it is known.
    #[must_use]
    pub fn destination(&self, adapter: &str, destination: &str) -> Option<&DestinationMetrics> {
        self.adapters.get(adapter)?.get(destination)
    }

    /// Adapter, destination and figures of each destination, in the order of their names.
    pub fn destinations(&self) -> impl Iterator<Item = (&str, &str, &DestinationMetrics)> {
        self.adapters.iter().flat_map(|(adapter, destinations)| {
            destinations.iter().map(|(destination, figures)| (&**adapter, &**destination, figures))
        })
    }
}

/// The figures of one destination, or of all beyond the bound together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DestinationMetrics {
    /// Attempts that ended, by outcome.
    pub attempts: AttemptMetrics,
    /// Attempts given up before they ended, because nobody waited for them any more.
    pub abandoned: u64,
    /// Attempts that run now; a reset leaves this alone.
    pub in_flight: u64,
    /// From the call of the adapter to its answer, of the attempts with an outcome.
    pub latency: Latency,
    /// Envelopes that were delivered.
    pub delivered: u64,
    /// Envelopes that failed for good.
    pub failed: FailureMetrics,
    /// Envelopes that a fallback took instead.
    pub fell_back: u64,
    /// Attempts that followed a failed one.
    pub retries: u64,
    /// Times that a retry waited because there had been too many.
    pub budget_waits: u64,
    /// Times that work waited for an open breaker.
    pub held: u64,
    /// Times that work waited for the rate limit.
    pub rate_limited: u64,
    /// Times that work was refused, by the policy that did.
    pub refused: BTreeMap<RefusedBy, u64>,
    /// Batches that were sent; one that is tried again is another one.
    pub batches: u64,
    /// Envelopes in these batches.
    pub batched_envelopes: u64,
    /// The circuit breaker.
    pub breaker: BreakerMetrics,
    /// Envelopes handed to the dead letters.
    pub dead_lettered: u64,
    /// Dead letters that this destination, as their target, has taken.
    pub dead_letters_stored: u64,
    /// Times that this destination, as their target, has not taken a dead letter.
    pub dead_letters_kept: u64,
}

impl DestinationMetrics {
    /// All attempts: those with an outcome, those given up, and those that run.
    #[must_use]
    pub fn attempt_count(&self) -> u64 {
        self.attempts.total().saturating_add(self.abandoned).saturating_add(self.in_flight)
    }

    /// How often a policy has refused work.
    #[must_use]
    pub fn refused_by(&self, policy: RefusedBy) -> u64 {
        self.refused.get(&policy).copied().unwrap_or(0)
    }

    /// Mean number of envelopes in a batch, zero when there were none.
    #[must_use]
    pub fn average_batch(&self) -> f64 {
        if self.batches == 0 { 0.0 } else { self.batched_envelopes as f64 / self.batches as f64 }
    }
}
