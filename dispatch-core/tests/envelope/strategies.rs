use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatch_core::envelope::cloudevents::{ExtensionValue, NO_SOURCE};
use dispatch_core::{
    Category, CloudEvent, Envelope, Metadata, Payload, SpanId, Topic, TraceContext, TraceId,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Any text, with the empty, the blank and the odd ones more often than chance gives them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => ".{0,12}",
        2 => any::<String>(),
        1 => Just(String::new()),
        1 => Just(" \t".to_owned()),
        1 => Just(NO_SOURCE.to_owned()),
        1 => Just("https://a.example/b%20c?d=e#f".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(text(), inner, 0..5).prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

fn content_type() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("application/json".to_owned()),
        Just("Application/Problem+JSON; charset=utf-8".to_owned()),
        Just("text/plain".to_owned()),
        Just("application/octet-stream".to_owned()),
        text(),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Empty),
        value().prop_map(|value| Payload::Json(Arc::new(value))),
        (vec(any::<u8>(), 0..40), content_type()).prop_map(|(data, kind)| Payload::bytes(data, kind)),
        (text(), content_type()).prop_map(|(data, kind)| Payload::bytes(data, kind)),
        value().prop_map(|value| Payload::bytes(value.to_string(), "application/json")),
    ]
}

/// Times to the nanosecond in the years 0000 to 9999, the bounds included.
fn time() -> impl Strategy<Value = SystemTime> {
    const FIRST: i64 = -62_167_219_200;
    // The last second that an instant of the JSON form may have; that of CloudEvents is a day later.
    const LAST: i64 = 253_402_207_200;
    let seconds = prop_oneof![4 => 0..4_000_000_000_i64, 2 => FIRST..LAST, 1 => Just(FIRST), 1 => Just(LAST - 1), 1 => Just(0)];
    let nanos = prop_oneof![Just(0), Just(120_000_000), Just(999_999_999), 0..1_000_000_000_u32];
    (seconds, nanos).prop_map(|(seconds, nanos): (i64, u32)| {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let start = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
        start + Duration::from_nanos(nanos.into())
    })
}

fn uuid() -> impl Strategy<Value = Uuid> {
    prop_oneof![8 => any::<u128>().prop_map(Uuid::from_u128), 1 => Just(Uuid::nil())]
}

fn trace() -> impl Strategy<Value = TraceContext> {
    (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, sampled)| TraceContext {
        trace_id: TraceId::from_bytes(trace.to_be_bytes()).unwrap(),
        span_id: SpanId::from_bytes(span.to_be_bytes()).unwrap(),
        sampled,
    })
}

/// Metadata, some of it under the keys that keep what a foreign event said.
fn metadata() -> impl Strategy<Value = Metadata> {
    let kept = prop_oneof![
        Just("id"),
        Just("source"),
        Just("type"),
        Just("time"),
        Just("data"),
        Just("datacontenttype"),
        Just("dataschema"),
        Just("traceparent"),
        Just("correlationid"),
        Just("dispatchhops"),
        Just("dispatchheaders"),
        Just("dispatchmetadata"),
        Just("dispatchexact"),
        Just("partitionkey"),
        Just("other"),
        Just("Not a name"),
        Just(""),
    ];
    let kept_value = prop_oneof![
        value(),
        Just(json!(null)),
        Just(json!("text")),
        Just(json!("{}")),
        Just(json!("1970-01-01T00:00:00+00:00")),
        Just(json!("application/json; v=1")),
        Just(json!(0)),
        Just(json!("x")),
    ];
    let kept = (kept, kept_value).prop_map(|(name, value)| (format!("cloudevents.{name}"), value));
    vec(prop_oneof![(text(), value()), kept], 0..5).prop_map(Metadata::from_iter)
}

fn topic() -> impl Strategy<Value = Topic> {
    "[a-zé_-]{1,6}(\\.[A-Z0-9]{1,5}){0,3}".prop_map(|text| Topic::new(text).unwrap())
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    let names = (of(text()), of(text()), of(text()), of(text()), of(topic()));
    let ids = (uuid(), of(uuid()), of(uuid()), of(trace()));
    let rest = (time(), prop_oneof![Just(0), any::<u16>()], of(0..3_usize));
    let maps = (btree_map(text(), text(), 0..4), metadata());
    (payload(), names, ids, rest, maps).prop_map(|(payload, names, ids, rest, maps)| {
        let mut envelope = Envelope::new(payload)
            .with_id(ids.0)
            .with_created_at(rest.0)
            .with_hops(rest.1)
            .with_headers(maps.0.into_iter().collect());
        for (key, value) in maps.1.iter() {
            envelope = envelope.with_metadata(key, value.clone());
        }
        let (message_type, source, subject, key, topic) = names;
        envelope = message_type.iter().fold(envelope, Envelope::with_message_type);
        envelope = source.into_iter().fold(envelope, Envelope::with_source);
        envelope = subject.into_iter().fold(envelope, Envelope::with_subject);
        envelope = key.into_iter().fold(envelope, Envelope::with_key);
        envelope = topic.iter().fold(envelope, Envelope::with_topic);
        envelope = ids.1.into_iter().fold(envelope, Envelope::with_correlation_id);
        envelope = ids.2.into_iter().fold(envelope, Envelope::with_causation_id);
        envelope = ids.3.into_iter().fold(envelope, Envelope::with_trace);
        let category = rest.2.and_then(|index| Category::ALL.get(index).copied());
        category.into_iter().fold(envelope, Envelope::with_category)
    })
}

/// Extensions of others, and those of the engine written in another way than the engine does.
fn extensions() -> impl Strategy<Value = Vec<(String, ExtensionValue)>> {
    let other = (
        "[a-z0-9]{1,20}",
        prop_oneof![
            text().prop_map(ExtensionValue::from),
            any::<i32>().prop_map(ExtensionValue::from),
            any::<bool>().prop_map(ExtensionValue::from),
        ],
    );
    let texts = |name: &'static str, values: &'static [&'static str]| {
        proptest::sample::select(values).prop_map(move |value| (name.to_owned(), value.into()))
    };
    vec(
        prop_oneof![
            4 => other,
            1 => texts("partitionkey", &["", "k", "\u{e9} x"]),
            1 => texts("traceparent", &["", "x", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"]),
            1 => texts("correlationid", &["", "c-1", "00000000-0000-0000-0000-00000000000A", "\t"]),
            1 => texts("causationid", &["A-1", "00000000-0000-0000-0000-00000000000a"]),
            1 => texts("dispatchtopic", &["a.events", "x"]),
            1 => texts("dispatchcategory", &["event", " Intent"]),
            1 => texts("dispatchheaders", &["{}", "{ \"a\": \"1\" }", "{\"a\":\"1\"}"]),
            1 => texts("dispatchmetadata", &["{}", "{\"b\": 1.0, \"a\": null}", "{\"a\":{\"x\":[1]}}"]),
            1 => texts("dispatchexact", &["{}", " { } "]),
            1 => proptest::sample::select(vec![0, 1, 65535]).prop_map(|hops| ("dispatchhops".to_owned(), hops.into())),
        ],
        0..6,
    )
}

/// Values of the extensions of the engine that may contradict the event.
pub(crate) fn own_extension() -> impl Strategy<Value = (String, String)> {
    let metadata = metadata().prop_map(|metadata| serde_json::to_string(&metadata).unwrap());
    let exact = btree_map("source|subject|key|content_type", text(), 0..3);
    prop_oneof![
        ("dispatch(topic|category|hops|headers|metadata|exact)", any::<String>()),
        metadata.prop_map(|text| ("dispatchmetadata".to_owned(), text)),
        exact.prop_map(|texts| ("dispatchexact".to_owned(), serde_json::to_string(&texts).unwrap())),
    ]
}

fn foreign_time() -> impl Strategy<Value = Option<String>> {
    proptest::sample::select(vec![
        None,
        Some("1970-01-01T00:00:00Z"),
        Some("1970-01-01T01:00:00+01:00"),
        Some("2016-12-31T23:59:60Z"),
        Some("0000-01-01T00:00:00+14:00"),
        Some("9999-12-31T23:59:59.999999999-14:00"),
        Some("2024-02-29t12:00:00.1234567890123z"),
        Some("2024-02-29T12:00:00.100Z"),
    ])
    .prop_map(|text| text.map(str::to_owned))
}

/// Events as another system would make them.
pub(crate) fn event() -> impl Strategy<Value = CloudEvent> {
    let filled = || text().prop_map(|text| if text.trim().is_empty() { "A-1".to_owned() } else { text });
    let id = prop_oneof![
        filled(),
        Just("00000000-0000-0000-0000-00000000000A".to_owned()),
        uuid().prop_map(|id| id.to_string())
    ];
    let data = prop_oneof![
        Just(None),
        value().prop_map(|value| Some(("data", value))),
        text().prop_map(|text| Some(("data", text.into()))),
        Just(Some(("data_base64", json!("AAEC/w==")))),
        Just(Some(("data_base64", json!("")))),
    ];
    let attributes = (of(filled()), of(filled()), of(content_type()), foreign_time());
    (id, filled(), filled(), data, attributes, extensions()).prop_map(
        |(id, source, kind, data, (subject, schema, content_type, time), extensions)| {
            let mut object = json!({
                "specversion": "1.0", "id": id, "source": source, "type": kind, "subject": subject,
                "dataschema": schema, "time": time,
                "datacontenttype": content_type.filter(|text| !text.is_empty()),
            });
            if let Some((name, value)) = data {
                object[name] = value;
            }
            let event: CloudEvent = serde_json::from_value(object).unwrap();
            extensions.into_iter().fold(event, |event, (name, value)| {
                event.clone().with_extension(name, value).unwrap_or(event)
            })
        },
    )
}

/// An envelope as a value that tells two of them apart, down to the bytes of the payload.
pub(crate) fn facts(envelope: &Envelope) -> Value {
    let mut facts = serde_json::to_value(envelope).unwrap();
    // Whether the type is explicit makes no difference to anybody.
    facts["message_type"] = envelope.message_type_str().into();
    facts
}
