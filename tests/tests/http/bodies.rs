//! In which form envelopes are sent.

use std::io::Read as _;

use dispatch_adapters::http::{CloudEventsMode, Compression, Http, HttpOptions};
use dispatch_core::{Adapter, CloudEvent, DeliveryErrorKind, Envelope, TraceContext};
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

use super::{answering, order};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn server() -> MockServer {
    answering(ResponseTemplate::new(200)).await
}

async fn sent(mode: CloudEventsMode, envelope: &Envelope) -> Request {
    let server = server().await;
    let options = HttpOptions::new(server.uri()).with_mode(mode).with_header("x-tenant", "7");
    Http::new(options).deliver(envelope).await.unwrap();
    server.received_requests().await.unwrap().remove(0)
}

fn traced() -> Envelope {
    order().with_trace(TRACE.parse::<TraceContext>().unwrap()).with_header("x-kind", "big")
}

#[tokio::test]
async fn structured() {
    let envelope = traced();
    let request = sent(CloudEventsMode::Structured, &envelope).await;
    assert_eq!(request.method.as_str(), "POST");
    assert_eq!(request.headers["content-type"], "application/cloudevents+json");
    assert_eq!(request.headers["traceparent"], TRACE);
    assert_eq!(request.headers["x-tenant"], "7");
    assert!(!request.headers.contains_key("x-kind"));
    let back = Envelope::from_cloud_event(CloudEvent::from_json(&request.body).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), serde_json::to_value(&envelope).unwrap());
}

#[tokio::test]
async fn binary() {
    let envelope = traced().with_subject("Gr\u{fc}n 5%").with_hops(2);
    let request = sent(CloudEventsMode::Binary, &envelope).await;
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("ce-specversion"), "1.0");
    assert_eq!(header("ce-id"), envelope.id().to_string());
    assert_eq!(header("ce-source"), "/shop");
    assert_eq!(header("ce-type"), "OrderPlaced");
    assert_eq!(header("ce-subject"), "Gr%C3%BCn%205%25");
    assert_eq!(header("ce-traceparent"), TRACE);
    assert_eq!(header("ce-dispatchhops"), "2");
    assert_eq!(header("ce-dispatchheaders"), "{%22x-kind%22:%22big%22}");
    assert_eq!(&request.body[..], b"{\"id\":7}");
}

#[tokio::test]
async fn binary_sends_bytes_as_they_are_and_nothing_for_nothing() {
    let bytes = Envelope::bytes("Blob", vec![0, 159, 146, 150], "application/x-blob");
    let request = sent(CloudEventsMode::Binary, &bytes).await;
    assert_eq!(request.headers["content-type"], "application/x-blob");
    assert_eq!(request.body, [0, 159, 146, 150]);
    let request = sent(CloudEventsMode::Binary, &Envelope::empty("Ping")).await;
    assert!(request.body.is_empty() && !request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn binary_sends_text_as_text() {
    let event: CloudEvent = serde_json::from_value(json!({
        "specversion": "1.0", "id": "1", "source": "/a", "type": "t", "datacontenttype": "text/plain", "data": "hi",
    }))
    .unwrap();
    let request = sent(CloudEventsMode::Binary, &Envelope::from_cloud_event(event).unwrap()).await;
    assert_eq!(
        (&request.headers["content-type"], &request.body[..]),
        (&"text/plain".parse().unwrap(), &b"hi"[..])
    );
}

#[tokio::test]
async fn a_batch_is_one_request_and_each_envelope_gets_its_answer() {
    let server = answering(ResponseTemplate::new(200).set_body_string("all")).await;
    let http = Http::new(HttpOptions::new(server.uri()).with_mode(CloudEventsMode::Batched));
    let too_long = order().with_subject("x".repeat(70_000));
    let envelopes = [order(), too_long, order()];
    let results = http.deliver_batch(&envelopes).await;
    assert_eq!(results[1].as_ref().unwrap_err().kind(), DeliveryErrorKind::Permanent);
    for result in [&results[0], &results[2]] {
        assert_eq!(&result.as_ref().unwrap().answer.as_ref().unwrap().body[..], b"all");
    }
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].headers["content-type"], "application/cloudevents-batch+json");
    let events: Vec<CloudEvent> = serde_json::from_slice(&requests[0].body).unwrap();
    let ids: Vec<_> = events.iter().map(CloudEvent::id).collect();
    assert_eq!(ids, [envelopes[0].id().to_string(), envelopes[2].id().to_string()]);

    http.deliver(&order()).await.unwrap();
    let single: Value = serde_json::from_slice(&server.received_requests().await.unwrap()[1].body).unwrap();
    assert_eq!(single.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_batch_that_fails_fails_for_each() {
    let server = answering(ResponseTemplate::new(500)).await;
    let http = Http::new(HttpOptions::new(server.uri()).with_mode(CloudEventsMode::Batched));
    let results = http.deliver_batch(&[order(), order()]).await;
    assert!(
        results.iter().all(|result| result.as_ref().is_err_and(dispatch_core::DeliveryError::is_retryable))
    );
    assert_eq!(results.len(), 2);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert!(http.deliver_batch(&[]).await.is_empty());
}

#[tokio::test]
async fn other_modes_send_a_batch_one_by_one_in_order() {
    let envelopes: Vec<_> = (0..5).map(|id| Envelope::json("N", json!({ "id": id }))).collect();
    for concurrency in [1, 3] {
        let server = server().await;
        let options = HttpOptions::new(server.uri()).with_batch_concurrency(concurrency);
        let results = Http::new(options).deliver_batch(&envelopes).await;
        assert!(results.len() == 5 && results.iter().all(Result::is_ok));
        let ids: Vec<Value> = server
            .received_requests()
            .await
            .unwrap()
            .iter()
            .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["data"]["id"].clone())
            .collect();
        if concurrency == 1 {
            assert_eq!(ids, [0, 1, 2, 3, 4]);
        }
        assert_eq!(ids.len(), 5);
    }
}

#[tokio::test]
async fn without_cloud_events_payload_and_headers_travel_as_they_are() {
    let envelope = traced()
        .with_header("Authorization", "Bearer of-the-caller")
        .with_header("Cookie", "of=the-caller")
        .with_header("Content-Length", "999")
        .with_header("Transfer-Encoding", "chunked")
        .with_header("Host", "inside.example")
        .with_header("X-Tenant", "8");
    let request = sent(CloudEventsMode::None, &envelope).await;
    assert_eq!(&request.body[..], b"{\"id\":7}");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["x-kind"], "big");
    assert_eq!(request.headers["x-tenant"], "7", "options win");
    assert_eq!(request.headers["traceparent"], TRACE);
    assert!(!request.headers.contains_key("authorization") && !request.headers.contains_key("cookie"));
    assert!(!request.headers.contains_key("transfer-encoding"));
    assert_eq!(request.headers["content-length"], "8");
    assert_ne!(request.headers["host"], "inside.example");
}

#[tokio::test]
async fn a_body_is_compressed() {
    let server = server().await;
    let options = HttpOptions::new(server.uri()).with_compression(Compression::Gzip).with_method("PUT");
    let envelope = order();
    Http::new(options).deliver(&envelope).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.method.as_str(), "PUT");
    assert_eq!(request.headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&request.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(CloudEvent::from_json(&plain).unwrap().id(), envelope.id().to_string());
}
