use std::time::{Duration, UNIX_EPOCH};

use dispatch_core::{CloudEvent, CloudEventError, Envelope};
use serde_json::{Value, json};

/// A valid event with one member replaced or added.
fn with(name: &str, value: Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "b"});
    event[name] = value;
    event
}

fn refusal(event: &Value) -> String {
    match CloudEvent::from_json(event.to_string().as_bytes()).and_then(Envelope::from_cloud_event) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    let mut twice = with("data", json!(1));
    twice["data_base64"] = json!("AA==");
    let mut contradiction = with("dispatchexact", json!("{\"subject\":\"\"}"));
    contradiction["subject"] = json!("x");
    let mut claim = with("dispatchmetadata", json!("{\"cloudevents.dataschema\":\"x\"}"));
    let claimed = refusal(&claim);
    claim["dataschema"] = json!("y");
    let events = [
        with("specversion", json!("0.3")),
        with("specversion", json!(1.0)),
        with("specversion", json!(null)),
        with("id", json!(null)),
        with("id", json!(" ")),
        with("id", json!(7)),
        with("source", json!("")),
        with("type", json!("\t")),
        with("subject", json!("")),
        with("time", json!("yesterday")),
        with("time", json!(5)),
        with("datacontenttype", json!("")),
        with("data_base64", json!("not base64!")),
        with("data_base64", json!({})),
        twice,
        with("Upper", json!("x")),
        with("far-too-long-and-with-dashes-in-a-name-of-an-extension", json!("x")),
        with("ext", json!([1])),
        with("ext", json!(1.5)),
        with("ext", json!(3_000_000_000_u32)),
        with("ext", json!("x".repeat(1_000_000))),
        with("id", json!("x".repeat(1_000_000))),
        with("dispatchtopic", json!("a..b")),
        with("dispatchtopic", json!(1)),
        with("dispatchcategory", json!("query")),
        with("dispatchhops", json!(-1)),
        with("dispatchhops", json!("1")),
        with("dispatchheaders", json!("{\"a\": 1}")),
        with("dispatchmetadata", json!("[]")),
        with("dispatchexact", json!("{\"other\": \"\"}")),
        contradiction,
        claim,
        with("partitionkey", json!(1)),
        with("correlationid", json!(true)),
    ];
    let lines: Vec<_> = events.iter().map(refusal).chain([claimed]).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_no_json_object_is_refused() {
    for text in ["", "{", "[]", "null", "\"a\"", "{\"id\": 1, \"id\": 2}", "\u{0}", "{\"specversion\":"] {
        let error = CloudEvent::from_json(text.as_bytes());
        assert!(matches!(error, Err(CloudEventError::Json(_))), "{text}");
    }
    assert!(matches!(CloudEvent::from_json(&[0xFF, 0xFE]), Err(CloudEventError::Json(_))));
    let deep = format!("{{\"data\":{}", "[".repeat(100_000));
    assert!(matches!(CloudEvent::from_json(deep.as_bytes()), Err(CloudEventError::Json(_))));
}

#[test]
fn an_envelope_that_no_event_can_hold_is_refused() {
    let envelope = Envelope::json("A", json!(1));
    let long = envelope.clone().with_header("a", "x".repeat(70_000)).to_cloud_event();
    assert!(
        matches!(long, Err(CloudEventError::TooLong { attribute, .. }) if attribute == "dispatchheaders")
    );
    let early = envelope.with_created_at(UNIX_EPOCH - Duration::from_secs(70_000_000_000)).to_cloud_event();
    assert!(matches!(early, Err(CloudEventError::TimeRange)));
}

#[test]
fn the_setters_refuse_what_the_reader_refuses() {
    let event = || CloudEvent::new("1", "/a", "b").unwrap();
    assert!(matches!(CloudEvent::new(" ", "/a", "b"), Err(CloudEventError::Blank { attribute: "id" })));
    assert!(matches!(event().with_subject(""), Err(CloudEventError::Blank { attribute: "subject" })));
    assert!(matches!(event().with_extension("data", 1), Err(CloudEventError::ExtensionName { .. })));
    assert!(matches!(
        event().with_extension("a", "x".repeat(1_000_000)),
        Err(CloudEventError::TooLong { bytes: 1_000_000, .. })
    ));
    assert!(matches!(event().with_binary("x", ""), Err(CloudEventError::Blank { .. })));
    assert!(matches!(event().with_data_schema(""), Err(CloudEventError::Blank { .. })));
}
