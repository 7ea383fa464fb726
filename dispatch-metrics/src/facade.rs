//! Snapshots through the `metrics` facade (feature `facade`), for whatever recorder the process has installed.
//!
//! The facade takes single events, a snapshot holds sums; so this is what becomes of the
//! [`catalog`](crate::catalog):
//!
//! | in the catalog | through the facade |
//! |---|---|
//! | counter of things | counter of the same name, set to its absolute value |
//! | counter in seconds | gauge of the same name (counters of the facade are whole numbers) |
//! | gauge | gauge of the same name |
//! | histogram `x` | counter `x_bucket` for each cumulative `le` bound, gauge `x_sum` in seconds, counter `x_count` |
//!
//! Counters of the facade never go down: after a reset of the metrics they stand still until the
//! figures have caught up.

use metrics::{Label, Unit};

use crate::catalog::{Kind, Series, Snapshot, Value};
use crate::{BusMetrics, DeliveryMetrics, DispatchMetrics, Histogram, Latency, MessengerMetrics};

/// Tells the installed recorder what each series means, of engines, deliveries, subscriptions and background
/// messages. Once, before the first [`publish`], is enough.
pub fn describe() {
    describe_all::<DispatchMetrics>();
    describe_all::<DeliveryMetrics>();
    describe_all::<BusMetrics>();
    describe_all::<MessengerMetrics>();
}

fn describe_all<S: Snapshot>() {
    for series in S::catalog() {
        let Series { name, meaning, .. } = *series;
        match series.kind {
            Kind::Counter if in_seconds(series) => metrics::describe_gauge!(name, Unit::Seconds, meaning),
            Kind::Counter => metrics::describe_counter!(name, Unit::Count, meaning),
            Kind::Gauge if in_seconds(series) => metrics::describe_gauge!(name, Unit::Seconds, meaning),
            Kind::Gauge => metrics::describe_gauge!(name, Unit::Count, meaning),
            Kind::Histogram => {
                metrics::describe_counter!(format!("{name}_bucket"), Unit::Count, meaning);
                metrics::describe_gauge!(format!("{name}_sum"), Unit::Seconds, meaning);
                metrics::describe_counter!(format!("{name}_count"), Unit::Count, meaning);
            }
        }
    }
}

/// Hands a snapshot, of an engine, of deliveries, of a bus or of a messenger, to the installed recorder.
///
/// ```
/// use dispatch_metrics::{DispatchMetrics, facade};
///
/// facade::describe();
/// // Say every ten seconds:
/// facade::publish(&DispatchMetrics::new("shop"));
/// ```
pub fn publish<S: Snapshot>(snapshot: &S) {
    for series in S::catalog() {
        for sample in series.samples(snapshot) {
            let labels = sample.labels.iter().map(|(key, value)| Label::new(*key, (*value).to_owned()));
            let labels: Vec<_> = labels.collect();
            match (series.kind, sample.value) {
                (_, Value::Latency(latency)) => publish_latency(series.name, &labels, latency),
                (_, Value::Seconds(seconds)) => metrics::gauge!(series.name, labels).set(seconds),
                (Kind::Gauge, Value::Count(count)) => metrics::gauge!(series.name, labels).set(count as f64),
                (_, Value::Count(count)) => metrics::counter!(series.name, labels).absolute(count),
            }
        }
    }
}

fn publish_latency(name: &'static str, labels: &[Label], latency: &Latency) {
    let bounds = Histogram::BOUNDS_MS.iter().map(|ms| (*ms as f64 / 1_000.0).to_string());
    let mut cumulative = 0_u64;
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(latency.histogram().counts()) {
        cumulative = cumulative.saturating_add(*count);
        let labels: Vec<_> = labels.iter().cloned().chain([Label::new("le", bound)]).collect();
        metrics::counter!(format!("{name}_bucket"), labels).absolute(cumulative);
    }
    metrics::gauge!(format!("{name}_sum"), labels.to_vec()).set(latency.total().as_secs_f64());
    metrics::counter!(format!("{name}_count"), labels.to_vec()).absolute(cumulative);
}

/// Whether it is in seconds rather than a number of things.
fn in_seconds<S>(series: &Series<S>) -> bool {
    series.name.ends_with("_seconds_total") || series.name.ends_with("_seconds")
}
