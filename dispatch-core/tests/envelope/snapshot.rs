use std::time::{Duration, UNIX_EPOCH};

use dispatch_core::{Category, Envelope, Topic, TraceContext};
use serde_json::{Value, json};
use uuid::Uuid;

fn envelope() -> Envelope {
    let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    Envelope::json("OrderPlaced", json!({"order": 7, "lines": [{"sku": "\u{e9}-1", "price": 12.5}]}))
        .with_id(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
        .with_topic(&Topic::new("shop.order.events.v1").unwrap())
        .with_category(Category::Event)
        .with_header("tenant", "t1")
        .with_metadata("attempt", 1)
        .with_metadata("cloudevents.dataschema", "https://shop.example/order.json")
        .with_metadata("cloudevents.tracestate", "a=b")
        .with_correlation_id(Uuid::from_u128(2))
        .with_causation_id(Uuid::from_u128(3))
        .with_trace(trace)
        .with_source("/shop")
        .with_subject("order/7")
        .with_key("customer-1")
        .with_created_at(UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_001))
        .with_hops(2)
}

#[test]
fn an_event() {
    let event = envelope().to_cloud_event().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap());
}

#[test]
fn an_envelope() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&envelope()).unwrap());
}

#[test]
fn an_envelope_of_bytes_and_one_of_nothing() {
    let plain = |envelope: Envelope| -> Value {
        serde_json::to_value(envelope.with_id(Uuid::nil()).with_created_at(UNIX_EPOCH)).unwrap()
    };
    assert_eq!(
        plain(Envelope::bytes("Signed", "{ }", "application/json")),
        json!({
            "id": Uuid::nil(), "message_type": "Signed", "payload_base64": "eyB9",
            "content_type": "application/json", "created_at": "1970-01-01T00:00:00Z",
        }),
    );
    assert_eq!(
        plain(Envelope::new(dispatch_core::Payload::Empty)),
        json!({"id": Uuid::nil(), "created_at": "1970-01-01T00:00:00Z"}),
    );
}
