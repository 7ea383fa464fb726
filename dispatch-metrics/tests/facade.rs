//! Snapshots through the `metrics` facade.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{filled, filled_bus, filled_deliveries, filled_messenger};
use dispatch_metrics::catalog::{Kind, Snapshot};
use dispatch_metrics::{BusMetrics, DeliveryMetrics, DispatchMetrics, MessengerMetrics, facade};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// Name with labels, and value, of all that was published; with the names that were described.
fn published() -> (BTreeMap<String, DebugValue>, BTreeSet<String>) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        facade::describe();
        facade::publish(&filled());
        facade::publish(&filled_deliveries());
        facade::publish(&filled_bus());
        facade::publish(&filled_messenger());
    });
    let mut described = BTreeSet::new();
    let mut values = BTreeMap::new();
    for (key, _unit, description, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        if description.is_some() {
            described.insert(key.name().to_owned());
        }
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        values.insert(format!("{} {}", key.name(), labels.join(" ")), value);
    }
    (values, described)
}

fn facade_names() -> BTreeSet<String> {
    names_of::<DispatchMetrics>()
        .chain(names_of::<DeliveryMetrics>())
        .chain(names_of::<BusMetrics>())
        .chain(names_of::<MessengerMetrics>())
        .collect()
}

fn names_of<S: Snapshot>() -> impl Iterator<Item = String> {
    S::catalog().iter().flat_map(|series| match series.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", series.name)).into()
        }
        _ => vec![series.name.to_owned()],
    })
}

#[test]
fn the_catalogs_are_published_and_described_and_nothing_else() {
    let (values, described) = published();
    let names: BTreeSet<_> =
        values.keys().filter_map(|key| key.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(names, facade_names());
    assert_eq!(described, facade_names());
}

#[test]
fn values_arrive_with_their_labels() {
    let (values, _) = published();
    let engine = "engine=shop \"north\"\\1";
    let get = |name: &str| values.get(&name.replace("ENGINE", engine)).unwrap_or_else(|| panic!("{name}"));
    let executions = "dispatch_dispatcher_executions_total ENGINE dispatcher=archive";
    assert_eq!(get(&format!("{executions} outcome=error")), &DebugValue::Counter(1));
    assert_eq!(get(&format!("{executions} outcome=panicked")), &DebugValue::Counter(1));
    assert_eq!(get("dispatch_duration_seconds_bucket ENGINE le=+Inf"), &DebugValue::Counter(8));
    assert_eq!(get("dispatch_duration_seconds_count ENGINE"), &DebugValue::Counter(8));
    let DebugValue::Gauge(seconds) = get("dispatch_duration_seconds_sum ENGINE") else { panic!("a gauge") };
    assert_eq!(seconds.0, filled().latency.total().as_secs_f64());
    let DebugValue::Gauge(in_flight) = get("dispatch_dispatcher_in_flight ENGINE dispatcher=mailer") else {
        panic!("a gauge")
    };
    assert_eq!(in_flight.0, 5.0);
    let delivery = "adapter=webhook destination=https://example.com/hook";
    assert_eq!(
        get(&format!("dispatch_delivery_attempts_total {delivery} outcome=timed_out")),
        &DebugValue::Counter(1)
    );
    let DebugValue::Gauge(phase) = get(&format!("dispatch_delivery_breaker_phase {delivery} phase=open"))
    else {
        panic!("a gauge")
    };
    assert_eq!(phase.0, 1.0);
}
