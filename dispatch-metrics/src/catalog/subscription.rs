use super::series::Samples;
use super::{Kind, Series, Snapshot, Value};
use crate::{BusMetrics, SubscriptionMetrics};

/// Every series of subscriptions, once: the exporters write these and nothing else.
pub static SUBSCRIPTION_CATALOG: &[Series<BusMetrics>] = &[
    Series {
        name: "dispatch_subscription_lag",
        kind: Kind::Gauge,
        labels: &["bus", "subscription", "topic"],
        meaning: "Records of a topic that a subscription has not settled",
        read: |metrics, samples| {
            for (name, own) in &metrics.subscriptions {
                for (topic, status) in &own.topics {
                    samples.push(&[name, topic], Value::Count(status.lag));
                }
            }
        },
    },
    Series {
        name: "dispatch_subscription_cursor",
        kind: Kind::Gauge,
        labels: &["bus", "subscription", "topic"],
        meaning: "The first offset of a topic that a subscription has not settled; a seek can lower it",
        read: |metrics, samples| {
            for (name, own) in &metrics.subscriptions {
                for (topic, status) in &own.topics {
                    samples.push(&[name, topic], Value::Count(status.cursor.get()));
                }
            }
        },
    },
    Series {
        name: "dispatch_subscription_oldest_unacknowledged_seconds",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Age of the oldest message that a consumer has had and that is not settled; 0 if there is none",
        read: |metrics, samples| {
            each(metrics, samples, |own| {
                Value::Seconds(own.oldest_unacknowledged.unwrap_or_default().as_secs_f64())
            });
        },
    },
    Series {
        name: "dispatch_subscription_consumers",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Consumers that are connected",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.consumers)),
    },
    Series {
        name: "dispatch_subscription_paused",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "1 if delivery is paused, else 0",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(u64::from(own.paused))),
    },
    Series {
        name: "dispatch_subscription_window",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Most messages that may be unacknowledged; 0 for at most once",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.window)),
    },
    Series {
        name: "dispatch_subscription_in_flight",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Messages that consumers have, and have not answered for",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.in_flight)),
    },
    Series {
        name: "dispatch_subscription_held",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Places of the window that are taken: what is in flight, and what will come again",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.held)),
    },
    Series {
        name: "dispatch_subscription_aside",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Messages that wait for their time, or behind another one of their key",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.aside)),
    },
    Series {
        name: "dispatch_subscription_blocked",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Messages that block until somebody decides",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.blocked)),
    },
    Series {
        name: "dispatch_subscription_parked",
        kind: Kind::Gauge,
        labels: &["bus", "subscription"],
        meaning: "Messages that are parked now",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.parked)),
    },
    Series {
        name: "dispatch_subscription_deliveries_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription"],
        meaning: "Messages handed to consumers, those that came again included",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.counters.delivered)),
    },
    Series {
        name: "dispatch_subscription_redeliveries_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription"],
        meaning: "Messages handed to consumers that came again",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.counters.redelivered)),
    },
    Series {
        name: "dispatch_subscription_answers_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription", "answer"],
        meaning: "What became of deliveries: acked, nacked, timed_out; stale answers did not count",
        read: |metrics, samples| {
            for (name, own) in &metrics.subscriptions {
                let counters = &own.counters;
                for (answer, count) in [
                    ("acked", counters.acked),
                    ("nacked", counters.nacked),
                    ("timed_out", counters.timed_out),
                    ("stale", counters.stale),
                ] {
                    samples.push(&[name, answer], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_subscription_exhausted_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription"],
        meaning: "Messages whose retries were used up",
        read: |metrics, samples| each(metrics, samples, |own| Value::Count(own.counters.exhausted)),
    },
    Series {
        name: "dispatch_subscription_given_up_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription", "how"],
        meaning: "Exhausted messages that were passed, by how: parked, dead_lettered or dropped",
        read: |metrics, samples| {
            for (name, own) in &metrics.subscriptions {
                let counters = &own.counters;
                for (how, count) in [
                    ("parked", counters.parked),
                    ("dead_lettered", counters.dead_lettered),
                    ("dropped", counters.dropped),
                ] {
                    samples.push(&[name, how], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_subscription_skipped_total",
        kind: Kind::Counter,
        labels: &["bus", "subscription", "reason"],
        meaning: "Messages that no consumer was given, by reason",
        read: |metrics, samples| {
            for (name, own) in &metrics.subscriptions {
                let counters = &own.counters;
                for (reason, count) in [
                    ("expired", counters.expired),
                    ("unroutable", counters.unroutable),
                    ("gap", counters.gap),
                    ("no_consumer", counters.no_consumer),
                    ("full", counters.full),
                    ("paused", counters.paused),
                    ("aside_full", counters.aside_full),
                ] {
                    samples.push(&[name, reason], Value::Count(count));
                }
            }
        },
    },
];

impl Snapshot for BusMetrics {
    fn catalog() -> &'static [Series<Self>] {
        SUBSCRIPTION_CATALOG
    }

    fn scope(&self) -> Option<&str> {
        Some(&self.bus)
    }
}

/// One sample for each subscription.
fn each<'a>(
    metrics: &'a BusMetrics,
    samples: &mut Samples<'a>,
    value: impl Fn(&'a SubscriptionMetrics) -> Value<'a>,
) {
    for (name, own) in &metrics.subscriptions {
        samples.push(&[name], value(own));
    }
}
