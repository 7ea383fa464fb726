use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::talk::{Checked, Talk};
use crate::conformance::Findings;
use crate::envelope::{Envelope, Payload};
use crate::log::{LogEntry, LogRecord};
use crate::topic::{Category, Topic};

#[derive(Serialize)]
struct Typed {
    id: u32,
    text: &'static str,
    ratio: f64,
}

/// A time with every digit.
fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 123_456_789)
}

/// One of everything.
fn full(payload: Payload) -> Envelope {
    Envelope::new(payload)
        .with_message_type("ConformanceCheck")
        .with_category(Category::Command)
        .with_header("x-conformance", "grün, \"quoted\"\n")
        .with_header("empty", "")
        .with_metadata("conformance", json!({ "nested": [1, 2.5, null] }))
        .with_correlation_id(Uuid::from_u128(1))
        .with_causation_id(Uuid::from_u128(2))
        .with_source("/conformance")
        .with_subject("subject")
        .with_key("key")
        .with_created_at(moment(0))
        .with_hops(3)
}

pub(super) async fn envelope(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("whole")?;
    let mut traced = full(Payload::Empty);
    if let Ok(trace) = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse() {
        traced = traced.with_trace(trace);
    }
    let envelopes = [
        ("bare", Envelope::empty("ConformanceCheck")),
        ("without a payload", traced),
        (
            "JSON",
            full(Payload::json(json!({ "text": "grün\n", "list": [1, 2.5, null, true], "pi": 0.1 + 0.2 }))),
        ),
        ("a JSON text", full(Payload::json(json!("text")))),
        ("bytes", full(Payload::bytes((0..=255).collect::<Vec<u8>>(), "application/octet-stream"))),
        ("no bytes", full(Payload::bytes(Vec::new(), "text/plain; charset=utf-8"))),
        ("bytes of JSON", full(Payload::bytes("{\"a\" : 1}", Payload::JSON))),
        ("typed", full(Payload::typed(Typed { id: 7, text: "typed", ratio: 1.0 / 3.0 }))),
        ("of another topic", full(Payload::Empty).with_topic(&talk.topic("whole.before")?)),
    ];
    let entries = envelopes.iter().map(|(_, envelope)| LogEntry::new(envelope.clone())).collect();
    talk.log.append(&topic, entries).await?;
    let there = talk.all(&topic).await?;
    found.expect(there.len() == envelopes.len(), || {
        format!("{} of {} came back", there.len(), envelopes.len())
    });
    for (record, (kind, envelope)) in there.iter().zip(envelopes) {
        compare(kind, &LogEntry::new(envelope), record, &topic, found);
    }
    Ok(())
}

pub(super) async fn entry(talk: &Talk, found: &mut Findings) -> Checked {
    let topic = talk.topic("times")?;
    let made = |number: usize| LogEntry::new(super::talk::entry(number).envelope);
    let before = SystemTime::UNIX_EPOCH - Duration::new(5, 250_000_000);
    let entries = [
        ("no times", made(0)),
        ("later", made(1).available_at(moment(60))),
        ("expires", made(2).expires_at(moment(120))),
        ("both", made(3).available_at(moment(60)).expires_at(moment(120))),
        ("before 1970", made(4).available_at(before).expires_at(SystemTime::UNIX_EPOCH)),
    ];
    talk.log.append(&topic, entries.iter().map(|(_, entry)| entry.clone()).collect()).await?;
    let there = talk.all(&topic).await?;
    found.expect(there.len() == entries.len(), || format!("{} of {} came back", there.len(), entries.len()));
    for (record, (kind, entry)) in there.iter().zip(entries) {
        compare(kind, &entry, record, &topic, found);
    }
    Ok(())
}

/// A record has to be the entry, but for its topic.
fn compare(kind: &str, given: &LogEntry, record: &LogRecord, topic: &Topic, found: &mut Findings) {
    let wanted = serde_json::to_value(given.envelope.clone().with_topic(topic)).ok();
    let there = serde_json::to_value(&record.entry.envelope).ok();
    found.expect(wanted == there, || {
        format!("{kind}: the envelope is {}, it was {}", json!(there), json!(wanted))
    });
    let times = |entry: &LogEntry| (entry.available_at, entry.expires_at);
    found.expect(times(given) == times(&record.entry), || {
        format!("{kind}: the times are {:?}, they were {:?}", times(&record.entry), times(given))
    });
}
