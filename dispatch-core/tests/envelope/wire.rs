use std::time::{Duration, UNIX_EPOCH};

use dispatch_core::{Envelope, Payload};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cases;
use crate::strategies::envelope;

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn an_envelope_comes_back(envelope in envelope()) {
        let text = serde_json::to_string(&envelope).unwrap();
        let back: Envelope = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
        prop_assert_eq!(back.created_at(), envelope.created_at());
        prop_assert_eq!(back.headers(), envelope.headers());
        match (back.raw_payload(), envelope.raw_payload()) {
            (Payload::Empty, Payload::Empty) => {}
            (Payload::Json(a), Payload::Json(b)) => prop_assert_eq!(a, b),
            (Payload::Bytes { data: a, .. }, Payload::Bytes { data: b, .. }) => prop_assert_eq!(a, b),
            (a, b) => prop_assert!(false, "{:?} became {:?}", b, a),
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = serde_json::from_str::<Envelope>(&text);
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order: u32,
}

#[test]
fn a_typed_payload_comes_back_as_json_under_its_type() {
    let envelope = Envelope::typed(OrderPlaced { order: 7 });
    let view: Envelope<OrderPlaced> = envelope.clone().cast().unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(text, serde_json::to_string(&envelope).unwrap());
    let back: Envelope = serde_json::from_str(&text).unwrap();
    assert_eq!(back.message_type_str(), "OrderPlaced");
    assert_eq!(*back.cast::<OrderPlaced>().unwrap().payload(), OrderPlaced { order: 7 });
}

#[test]
fn null_is_a_payload_and_absence_is_none() {
    let read = |value: Value| serde_json::from_value::<Envelope>(value).unwrap();
    let base = json!({"id": Uuid::nil(), "created_at": "1970-01-01T00:00:00Z"});
    assert!(matches!(read(base.clone()).raw_payload(), Payload::Empty));
    let mut null = base;
    null["payload"] = Value::Null;
    assert!(matches!(read(null).raw_payload(), Payload::Json(value) if value.is_null()));
}

#[test]
fn every_refusal_says_what_is_wrong() {
    let with = |members: Value| {
        let mut object = json!({"id": Uuid::nil(), "created_at": "1970-01-01T00:00:00Z"});
        for (name, value) in members.as_object().unwrap() {
            object[name] = value.clone();
        }
        match serde_json::from_value::<Envelope>(object) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let lines = [
        serde_json::from_str::<Envelope>("{}").unwrap_err().to_string(),
        serde_json::from_str::<Envelope>("{").unwrap_err().to_string(),
        with(json!({"id": ""})),
        with(json!({"id": 5})),
        with(json!({"created_at": "now"})),
        with(json!({"colour": "red"})),
        with(json!({"topic": "a..b"})),
        with(json!({"category": "query"})),
        with(json!({"message_type": " "})),
        with(json!({"hops": 65_536})),
        with(json!({"headers": {"a": 1}})),
        with(json!({"metadata": []})),
        with(json!({"trace": "00-1"})),
        with(json!({"payload": 1, "payload_base64": "AA==", "content_type": "x"})),
        with(json!({"payload_base64": "AA=="})),
        with(json!({"payload_base64": "!", "content_type": "x"})),
        with(json!({"payload": 1, "content_type": "x"})),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_time_that_cannot_be_written_is_refused() {
    let envelope =
        Envelope::json("A", json!(1)).with_created_at(UNIX_EPOCH + Duration::from_secs(300_000_000_000));
    assert!(serde_json::to_string(&envelope).is_err());
}
