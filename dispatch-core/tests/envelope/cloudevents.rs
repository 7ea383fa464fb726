use std::time::UNIX_EPOCH;

use dispatch_core::{CloudEvent, Envelope};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cases;
use crate::strategies::{envelope, event, facts, own_extension};

fn read(value: Value) -> CloudEvent {
    serde_json::from_value(value).unwrap()
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn an_envelope_comes_back_from_an_event(envelope in envelope()) {
        let event = envelope.to_cloud_event().unwrap();
        let event = CloudEvent::from_json(&serde_json::to_vec(&event).unwrap()).unwrap();
        let back = Envelope::from_cloud_event(event.clone()).unwrap();
        prop_assert_eq!(facts(&back), facts(&envelope));
        prop_assert_eq!(back.created_at(), envelope.created_at());
        prop_assert!(back.to_cloud_event().unwrap() == event);
    }

    #[test]
    fn an_event_of_others_comes_back_from_an_envelope(event in event()) {
        let envelope = Envelope::from_cloud_event(event.clone()).unwrap();
        let back = envelope.to_cloud_event().unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), serde_json::to_string(&event).unwrap());
        prop_assert!(back == event);
    }

    #[test]
    fn an_event_survives_the_json_form_of_its_envelope(event in event()) {
        let envelope = Envelope::from_cloud_event(event.clone()).unwrap();
        // The JSON form has no instants after 9999-12-30T22:00:00Z.
        if let Ok(text) = serde_json::to_vec(&envelope) {
            let envelope: Envelope = serde_json::from_slice(&text).unwrap();
            prop_assert!(envelope.to_cloud_event().unwrap() == event);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        let _ = CloudEvent::from_json(text.as_bytes());
    }

    #[test]
    fn no_event_makes_the_reader_panic(
        event in event(),
        (name, value) in own_extension(),
    ) {
        let event = event.with_extension(name, value).unwrap();
        // What is not refused is not changed either.
        if let Ok(envelope) = Envelope::from_cloud_event(event.clone()) {
            prop_assert!(envelope.to_cloud_event().unwrap() == event);
        }
    }
}

#[derive(Serialize)]
struct OrderPlaced {
    order: u32,
}

#[test]
fn a_typed_payload_comes_back_as_json_under_its_type() {
    let envelope = Envelope::typed(OrderPlaced { order: 7 });
    let back = Envelope::from_cloud_event(envelope.to_cloud_event().unwrap()).unwrap();
    assert_eq!(back.message_type_str(), "OrderPlaced");
    assert_eq!(*back.raw_payload().to_json().unwrap(), json!({"order": 7}));
}

#[test]
fn an_id_that_is_no_uuid_gives_the_same_envelope_id_everywhere() {
    let event = || CloudEvent::new("A-1", "/erp", "invoice").unwrap();
    let envelope = Envelope::from_cloud_event(event()).unwrap();
    assert_eq!(envelope.id(), Envelope::from_cloud_event(event()).unwrap().id());
    assert_eq!(envelope.id().to_string(), "ae80c65e-047f-5195-b203-633baa70b861");
    let other = Envelope::from_cloud_event(CloudEvent::new("A-1", "/crm", "invoice").unwrap()).unwrap();
    assert_ne!(envelope.id(), other.id());
}

#[test]
fn a_new_id_goes_out_and_the_old_one_stays_in_the_metadata() {
    let event = CloudEvent::new("A-1", "/erp", "invoice").unwrap().with_extension("tenant", "t1").unwrap();
    let envelope = Envelope::from_cloud_event(event).unwrap().with_id(Uuid::from_u128(7));
    let event = envelope.to_cloud_event().unwrap();
    assert_eq!(event.id(), Uuid::from_u128(7).to_string());
    assert_eq!(event.extension("tenant"), Some(&"t1".into()));
    let back = Envelope::from_cloud_event(event).unwrap();
    assert_eq!(back.metadata().get("cloudevents.id"), Some(&json!("A-1")));
}

#[test]
fn metadata_can_set_an_attribute() {
    let envelope = Envelope::json("A", json!(1)).with_metadata("cloudevents.dataschema", "urn:a");
    assert_eq!(envelope.to_cloud_event().unwrap().data_schema(), Some("urn:a"));
}

#[test]
fn an_event_without_a_time_has_the_epoch_or_the_time_given() {
    let event = CloudEvent::new("1", "/a", "b").unwrap();
    assert_eq!(Envelope::from_cloud_event(event.clone()).unwrap().created_at(), UNIX_EPOCH);
    let arrival = UNIX_EPOCH + std::time::Duration::from_secs(5);
    let stamped = event.or_time(arrival).unwrap().or_time(UNIX_EPOCH).unwrap();
    assert_eq!(stamped.time(), Some(arrival));
}

#[test]
fn kept_media_type_beside_an_empty_one_is_metadata() {
    let envelope = Envelope::bytes("A", "x", "").with_metadata("cloudevents.datacontenttype", "x");
    let back = Envelope::from_cloud_event(envelope.to_cloud_event().unwrap()).unwrap();
    assert_eq!(facts(&back), facts(&envelope));
}

#[test]
fn text_that_is_not_json_becomes_bytes() {
    let event = read(json!({
        "specversion": "1.0", "id": "1", "source": "/a", "type": "b",
        "datacontenttype": "text/xml", "data": "<a/>",
    }));
    let envelope = Envelope::from_cloud_event(event.clone()).unwrap();
    let (bytes, content_type) = envelope.raw_payload().to_bytes().unwrap();
    assert_eq!((&*bytes, &*content_type), (&b"<a/>"[..], "text/xml"));
    assert_eq!(envelope.to_cloud_event().unwrap(), event);
}

#[test]
fn a_source_that_is_no_uri_is_encoded() {
    let envelope = Envelope::json("A", json!(1)).with_source("my service");
    let event = envelope.to_cloud_event().unwrap();
    assert_eq!(event.source(), "my%20service");
    assert_eq!(Envelope::from_cloud_event(event).unwrap().source(), Some("my service"));
}

#[test]
fn debug_shows_no_values() {
    let envelope = Envelope::json("A", json!("s3cret")).with_header("authorization", "s3cret");
    let event = envelope.to_cloud_event().unwrap();
    assert!(!format!("{event:?} {:?}", event.extension("dispatchheaders")).contains("s3cret"));
}
