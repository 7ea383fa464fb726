use std::time::Duration;

use dispatch_core::{Category, DispatchStatus};

use super::series::Samples;
use super::{Kind, Series, Snapshot, Value};
use crate::{DispatchMetrics, DispatcherMetrics};

/// Every series of an engine, once: the exporters write these and nothing else.
///
/// ```
/// use dispatch_metrics::DispatchMetrics;
/// use dispatch_metrics::catalog::CATALOG;
///
/// let metrics = DispatchMetrics::new("shop");
/// for series in CATALOG {
///     for sample in series.samples(&metrics) {
///         println!("{} {:?} = {:?}", series.name, sample.labels, sample.value);
///     }
/// }
/// ```
pub static CATALOG: &[Series] = &[
    Series {
        name: "dispatch_dispatches_total",
        kind: Kind::Counter,
        labels: &["engine", "status"],
        meaning: "Dispatches that ended, by status",
        read: |metrics, samples| {
            for status in DispatchStatus::ALL {
                samples.push(&[status.as_str()], Value::Count(metrics.status_metrics.get(status)));
            }
        },
    },
    Series {
        name: "dispatch_category_dispatches_total",
        kind: Kind::Counter,
        labels: &["engine", "category"],
        meaning: "Dispatches that ended, by category; invalid messages are in none",
        read: |metrics, samples| {
            for category in Category::ALL {
                samples.push(&[category.as_str()], Value::Count(metrics.category_metrics.get(category)));
            }
        },
    },
    Series {
        name: "dispatch_category_mismatches_total",
        kind: Kind::Counter,
        labels: &["engine"],
        meaning: "Dispatches whose envelope named another category than the topic",
        read: |metrics, samples| samples.push(&[], Value::Count(metrics.category_mismatch_count)),
    },
    Series {
        name: "dispatch_routes_matched_total",
        kind: Kind::Counter,
        labels: &["engine"],
        meaning: "Dispatchers chosen, over all dispatches",
        read: |metrics, samples| samples.push(&[], Value::Count(metrics.routes_matched_count)),
    },
    Series {
        name: "dispatch_unpublishable_outputs_total",
        kind: Kind::Counter,
        labels: &["engine"],
        meaning: "Outputs only returned because their topic has no category",
        read: |metrics, samples| samples.push(&[], Value::Count(metrics.unpublishable_count)),
    },
    Series {
        name: "dispatch_refused_total",
        kind: Kind::Counter,
        labels: &["engine", "reason"],
        meaning: "Envelopes that were not taken: overloaded or rejected; they are no dispatches",
        read: |metrics, samples| {
            samples.push(&["overloaded"], Value::Count(metrics.overloaded_count));
            samples.push(&["rejected"], Value::Count(metrics.rejected_count));
        },
    },
    Series {
        name: "dispatch_duration_seconds",
        kind: Kind::Histogram,
        labels: &["engine"],
        meaning: "From the call of a dispatch to its result",
        read: |metrics, samples| samples.push(&[], Value::Latency(&metrics.latency)),
    },
    Series {
        name: "dispatch_dispatcher_executions_total",
        kind: Kind::Counter,
        labels: &["engine", "dispatcher", "outcome"],
        meaning: "Envelopes handed to a dispatcher, by outcome: success, error, panicked or timeout",
        read: |metrics, samples| {
            for (id, dispatcher) in &metrics.dispatcher_metrics {
                for outcome in crate::ExecutionOutcome::ALL {
                    samples.push(&[id, outcome.as_str()], Value::Count(dispatcher.outcome_count(outcome)));
                }
            }
        },
    },
    Series {
        name: "dispatch_dispatcher_restarts_total",
        kind: Kind::Counter,
        labels: &["engine", "dispatcher"],
        meaning: "Replacements started after a dispatcher's actor died",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Count(it.restart_count)),
    },
    Series {
        name: "dispatch_dispatcher_slow_blocking_total",
        kind: Kind::Counter,
        labels: &["engine", "dispatcher"],
        meaning: "Blocking calls that ran longer than the warning limit",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Count(it.slow_blocking_count)),
    },
    Series {
        name: "dispatch_dispatcher_late_replies_total",
        kind: Kind::Counter,
        labels: &["engine", "dispatcher"],
        meaning: "Answers dropped because they came after their time-out",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Count(it.late_reply_count)),
    },
    Series {
        name: "dispatch_dispatcher_saturated_total",
        kind: Kind::Counter,
        labels: &["engine", "dispatcher"],
        meaning: "Envelopes turned away because a dispatcher was at its cap",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Count(it.saturated_count)),
    },
    Series {
        name: "dispatch_dispatcher_in_flight",
        kind: Kind::Gauge,
        labels: &["engine", "dispatcher"],
        meaning: "Envelopes a dispatcher is working on",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Count(it.in_flight)),
    },
    Series {
        name: "dispatch_dispatcher_duration_seconds",
        kind: Kind::Histogram,
        labels: &["engine", "dispatcher"],
        meaning: "From handing over an envelope to its outcome",
        read: |metrics, samples| each_dispatcher(metrics, samples, |it| Value::Latency(&it.latency)),
    },
    Series {
        name: "dispatch_topic_dispatches_total",
        kind: Kind::Counter,
        labels: &["engine", "topic", "result"],
        meaning: "Dispatches on a topic: success, failure, or none for skipped and routed ones",
        read: |metrics, samples| {
            for (name, topic) in &metrics.topic_metrics {
                let none = topic.dispatches.saturating_sub(topic.successes).saturating_sub(topic.failures);
                samples.push(&[name, "success"], Value::Count(topic.successes));
                samples.push(&[name, "failure"], Value::Count(topic.failures));
                samples.push(&[name, "none"], Value::Count(none));
            }
        },
    },
    Series {
        name: "dispatch_topic_duration_seconds_total",
        kind: Kind::Counter,
        labels: &["engine", "topic"],
        meaning: "Sum of the durations of the dispatches on a topic",
        read: |metrics, samples| {
            for (name, topic) in &metrics.topic_metrics {
                samples.push(&[name], Value::Seconds(Duration::as_secs_f64(&topic.total_latency())));
            }
        },
    },
];

impl Snapshot for DispatchMetrics {
    fn catalog() -> &'static [Series] {
        CATALOG
    }

    fn scope(&self) -> Option<&str> {
        Some(&self.engine)
    }
}

/// One sample for each dispatcher.
fn each_dispatcher<'a>(
    metrics: &'a DispatchMetrics,
    samples: &mut Samples<'a>,
    value: impl Fn(&'a DispatcherMetrics) -> Value<'a>,
) {
    for (id, dispatcher) in &metrics.dispatcher_metrics {
        samples.push(&[id], value(dispatcher));
    }
}
