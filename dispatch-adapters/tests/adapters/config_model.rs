//! Any configuration is read or refused; no refusal shows a value.

use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::named::NamedAdapters;
use dispatch_adapters::pubsub::PubSub;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const SECRET: &str = "hunter2";

fn key() -> impl Strategy<Value = String> {
    let known = [
        "async",
        "timeout_ms",
        "retry",
        "circuit_breaker",
        "rate_limit",
        "key_rate_limit",
        "max_in_flight",
        "batch",
        "dead_letters",
        "kind",
        "base_ms",
        "budget",
        "events",
        "burst",
        "schedule_ms",
        "max_size",
        "path",
        "flush",
        "rotate",
        "max_bytes",
        "stream",
        "format",
        "colours",
        "level",
        "template",
        "metadata",
        "include_data",
        "to",
        "topic",
        "instance",
        "local",
        "unknown",
    ];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = Value> {
    let kinds = ["console", "file", "logger", "noop", "named", "pubsub", "actor", "nonsense", ""];
    prop::sample::select(kinds.to_vec()).prop_map(Value::from)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..100).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from(SECRET)),
        Just(json!("a.b")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            table(inner).prop_map(Value::from),
        ]
    })
}

fn table(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let entries = prop::collection::vec((key(), value), 0..6);
    (entries, prop::option::of(kind())).prop_map(|(entries, kind)| {
        let mut map: Map<_, _> = entries.into_iter().collect();
        map.extend(kind.map(|kind| ("type".to_owned(), kind)));
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_is_read_or_refused(targets in prop::collection::vec(table(value()), 0..4)) {
        let count = targets.len();
        let registry = AdapterRegistry::with_built_in()
            .with_named(NamedAdapters::new())
            .with_pubsub(PubSub::default());
        match registry.read_value(&json!({ "targets": targets })) {
            Ok(read) => prop_assert_eq!(read.len(), count),
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                prop_assert!(error.problems().is_sorted());
                prop_assert!(!error.to_string().contains(SECRET), "{}", error);
            }
        }
    }
}
