use dispatch_core::policy::{BreakerPhase, RefusedBy};

use super::series::Samples;
use super::{Kind, Series, Snapshot, Value};
use crate::{AttemptOutcome, DeliveryMetrics, DestinationMetrics};

/// Every series of deliveries, once: the exporters write these and nothing else.
pub static DELIVERY_CATALOG: &[Series<DeliveryMetrics>] = &[
    Series {
        name: "dispatch_delivery_attempts_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination", "outcome"],
        meaning: "Calls of an adapter that ended, by outcome; a batch is one call",
        read: |metrics, samples| {
            for (adapter, destination, own) in metrics.destinations() {
                for outcome in AttemptOutcome::ALL {
                    let count = own.attempts.get(outcome);
                    samples.push(&[adapter, destination, outcome.as_str()], Value::Count(count));
                }
                samples.push(&[adapter, destination, "abandoned"], Value::Count(own.abandoned));
            }
        },
    },
    Series {
        name: "dispatch_delivery_attempt_duration_seconds",
        kind: Kind::Histogram,
        labels: &["adapter", "destination"],
        meaning: "From the call of an adapter to its answer or time-out",
        read: |metrics, samples| each(metrics, samples, |own| Value::Latency(&own.latency)),
    },
    Series {
        name: "dispatch_delivery_in_flight",
        kind: Kind::Gauge,
        labels: &["adapter", "destination"],
        meaning: "Calls of an adapter that have not ended",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.in_flight)),
    },
    Series {
        name: "dispatch_delivery_delivered_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Envelopes that were delivered",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.delivered)),
    },
    Series {
        name: "dispatch_delivery_failed_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination", "kind"],
        meaning: "Envelopes that failed for good, by what may still be done",
        read: |metrics, samples| {
            for (adapter, destination, own) in metrics.destinations() {
                for (kind, count) in own.failed.by_kind() {
                    samples.push(&[adapter, destination, kind], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_delivery_fell_back_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Envelopes that a fallback took instead",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.fell_back)),
    },
    Series {
        name: "dispatch_delivery_retries_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Attempts that followed a failed one",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.retries)),
    },
    Series {
        name: "dispatch_delivery_budget_waits_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Times that a retry waited because there had been too many",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.budget_waits)),
    },
    Series {
        name: "dispatch_delivery_held_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Times that work waited for an open circuit breaker",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.held)),
    },
    Series {
        name: "dispatch_delivery_rate_limited_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Times that work waited for the rate limit",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.rate_limited)),
    },
    Series {
        name: "dispatch_delivery_refused_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination", "policy"],
        meaning: "Times that a policy refused work; nothing was sent",
        read: |metrics, samples| {
            for (adapter, destination, own) in metrics.destinations() {
                for policy in RefusedBy::ALL {
                    let count = own.refused_by(policy);
                    samples.push(&[adapter, destination, policy.as_str()], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_delivery_batches_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Batches that were sent; one that is tried again is another one",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.batches)),
    },
    Series {
        name: "dispatch_delivery_batched_envelopes_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Envelopes in the batches that were sent",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.batched_envelopes)),
    },
    Series {
        name: "dispatch_delivery_breaker_phase",
        kind: Kind::Gauge,
        labels: &["adapter", "destination", "phase"],
        meaning: "1 for the phase the circuit breaker is in, 0 for the others; closed if there is none",
        read: |metrics, samples| {
            for (adapter, destination, own) in metrics.destinations() {
                for phase in BreakerPhase::ALL {
                    let here = u64::from(own.breaker.phase == phase);
                    samples.push(&[adapter, destination, phase.as_str()], Value::Count(here));
                }
            }
        },
    },
    Series {
        name: "dispatch_delivery_breaker_transitions_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination", "to"],
        meaning: "Changes of the circuit breaker, by the phase it changed to",
        read: |metrics, samples| {
            for (adapter, destination, own) in metrics.destinations() {
                for phase in BreakerPhase::ALL {
                    let count = own.breaker.transitions(phase);
                    samples.push(&[adapter, destination, phase.as_str()], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_delivery_dead_lettered_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Envelopes that were handed to the dead letters",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.dead_lettered)),
    },
    Series {
        name: "dispatch_delivery_dead_letters_stored_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Dead letters that this target of dead letters has taken",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.dead_letters_stored)),
    },
    Series {
        name: "dispatch_delivery_dead_letters_kept_total",
        kind: Kind::Counter,
        labels: &["adapter", "destination"],
        meaning: "Times that this target of dead letters did not take one, so that it was kept",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.dead_letters_kept)),
    },
];

impl Snapshot for DeliveryMetrics {
    fn catalog() -> &'static [Series<Self>] {
        DELIVERY_CATALOG
    }

    fn scope(&self) -> Option<&str> {
        None
    }
}

/// One sample for each destination.
fn each<'a>(
    metrics: &'a DeliveryMetrics,
    samples: &mut Samples<'a>,
    value: impl Fn(&'a DestinationMetrics) -> Value<'a>,
) {
    for (adapter, destination, own) in metrics.destinations() {
        samples.push(&[adapter, destination], value(own));
    }
}
