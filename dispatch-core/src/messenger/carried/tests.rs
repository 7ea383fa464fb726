use std::time::SystemTime;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Carried;
use crate::envelope::{Envelope, Payload};
use crate::messenger::{DispatchOptions, MessengerConfig, MessengerErrorCode, QueuedMessage};
use crate::topic::{Category, Topic};

/// Sends an envelope as a message, as it is stored; and reads it back as one that handlers get.
fn carried(envelope: &Envelope, edit: impl FnOnce(&mut Map<String, Value>)) -> Envelope {
    let (message, rest) = Carried::split(envelope).unwrap();
    let routing = MessengerConfig::default().check().unwrap();
    let headers =
        envelope.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let options = DispatchOptions { headers, ..DispatchOptions::default() };
    let planned = routing.plan(&message, &options, SystemTime::UNIX_EPOCH, Uuid::now_v7).unwrap().remove(0);
    let text = serde_json::to_string(&planned.carrying(rest)).unwrap();
    let mut stored: QueuedMessage = serde_json::from_str(&text).unwrap();
    edit(&mut stored.payload);
    stored.to_envelope()
}

#[test]
fn an_envelope_that_was_sent_as_a_message_is_that_envelope_again() {
    let topic: Topic = "shop.order.events".parse().unwrap();
    let whole = Envelope::json("OrderPlaced", json!({ "id": 7 }))
        .with_topic(&topic)
        .with_category(Category::Event)
        .with_correlation_id(Uuid::from_u128(1))
        .with_causation_id(Uuid::from_u128(2))
        .with_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap())
        .with_source("shop")
        .with_subject("order")
        .with_key("ann")
        .with_hops(3)
        .with_header("x-own", "1")
        .with_metadata("tenant", "north");
    let back = carried(&whole, |_| ());
    assert_eq!((back.id(), back.created_at(), back.hops()), (whole.id(), whole.created_at(), 3));
    assert_eq!((back.correlation_id(), back.causation_id()), (whole.correlation_id(), whole.causation_id()));
    assert_eq!((back.trace(), back.source(), back.subject()), (whole.trace(), Some("shop"), Some("order")));
    assert_eq!((back.key(), back.message_type_str()), (Some("ann"), "OrderPlaced"));
    assert_eq!(back.metadata().get("tenant"), Some(&json!("north")));
    let headers = ["x-own", QueuedMessage::TOPIC_HEADER, QueuedMessage::TYPE_HEADER];
    let headers = headers.map(|name| back.headers().get(name));
    assert_eq!(headers, [Some("1"), Some("shop.order.events"), Some("OrderPlaced")]);
    assert_eq!(
        (back.topic(), back.category()),
        (None, None),
        "a worker dispatches it as a command of its queue"
    );
    assert_eq!(*back.raw_payload().to_json().unwrap(), json!({ "id": 7 }));
}

#[test]
fn every_payload_comes_back_as_it_was_and_what_was_edited_wins() {
    let bytes: Vec<u8> = (0..=255).collect();
    let payloads = [
        Payload::Empty,
        Payload::json(json!({})),
        Payload::json(json!({ "id": 7 })),
        Payload::json(json!([1, { "a": null }])),
        Payload::json(json!("text")),
        Payload::bytes(bytes, "application/octet-stream"),
        Payload::bytes("{\"b\":1, \"a\":2}", "application/json"),
    ];
    for payload in payloads {
        let shown = format!("{payload:?}");
        let envelope = Envelope::new(payload).with_message_type("Thing");
        let back = carried(&envelope, |_| ());
        assert_eq!(format!("{:?}", back.raw_payload()), shown);
        assert_eq!(
            back.raw_payload().to_bytes().unwrap(),
            envelope.raw_payload().to_bytes().unwrap(),
            "{shown}"
        );
        let edited = carried(&envelope, |payload| drop(payload.insert("new".to_owned(), json!(1))));
        assert_eq!(edited.raw_payload().to_json().unwrap()["new"], json!(1), "{shown}");
    }
}

#[test]
fn what_cannot_be_a_message_is_named_without_its_content() {
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("secret"))
        }
    }
    let error = Carried::split(&Envelope::new(Payload::typed(Unwritable))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "SERIALIZATION_ERROR: the payload of 'Unwritable' refuses to be written as JSON: send another"
    );
    let error = Carried::split(&Envelope::empty("order placed")).unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::MessageValidation);
}

#[test]
fn a_payload_that_is_no_object_may_be_as_deep_as_can_be_read_back() {
    let sent = |levels: usize| {
        let nested = (1..levels).fold(json!([]), |inner, _| json!([inner]));
        let (message, rest) = Carried::split(&Envelope::json("Tree", nested)).unwrap();
        let routing = MessengerConfig::default().check().unwrap();
        let planned =
            routing.plan(&message, &DispatchOptions::default(), SystemTime::UNIX_EPOCH, Uuid::now_v7);
        planned.unwrap().remove(0).carrying(rest)
    };
    // What is kept of the envelope is an object around it.
    let deepest = sent(QueuedMessage::DEEPEST - 1);
    assert!(deepest.check_nesting().is_ok());
    let text = serde_json::to_string(&deepest).unwrap();
    assert_eq!(serde_json::from_str::<QueuedMessage>(&text).unwrap(), deepest);
    let deeper = sent(QueuedMessage::DEEPEST);
    assert!(deeper.check_nesting().unwrap_err().to_string().contains("payload is nested more than"));
    let text = serde_json::to_string(&deeper).unwrap();
    assert!(serde_json::from_str::<QueuedMessage>(&text).is_err(), "the limit is where it has to be");
}
