//! How long a request may be.

use dispatch_adapters::http::{CloudEventsMode, Compression, Http, HttpError, HttpOptions};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::{Adapter, DeliveryError, DeliveryErrorKind, Envelope};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::server::{Server, hold};
use super::webhook::unguarded;
use super::{answering, cause, order, problems};

const MODES: [CloudEventsMode; 4] =
    [CloudEventsMode::Structured, CloudEventsMode::Binary, CloudEventsMode::Batched, CloudEventsMode::None];

fn long(bytes: usize) -> Envelope {
    Envelope::bytes("Blob", "x".repeat(bytes), "text/plain")
}

fn assert_too_long(error: &DeliveryError) {
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    assert!(matches!(cause(error), HttpError::TooLong { max_bytes: 1000, bytes: 1001.. }), "{error:?}");
    assert!(error.message().contains("over max_bytes of 1000: send less, or where it is"), "{error}");
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_anything_is_sent() {
    let server = Server::start(hold).await;
    for mode in MODES {
        // It is the length before compression that counts, and that of the headers too.
        let options = HttpOptions::new(server.url()).with_mode(mode).with_max_bytes(1000);
        let http = Http::new(options.with_compression(Compression::Gzip));
        for envelope in [long(1000), order().with_header("x-long", "x".repeat(1000))] {
            assert_too_long(&http.deliver(&envelope).await.unwrap_err());
            for result in http.deliver_batch(&[envelope.clone(), envelope]).await {
                assert_too_long(&result.unwrap_err());
            }
        }
        if mode != CloudEventsMode::Batched {
            let options = WebhookOptions::new(server.url(), Secret::new("s").unwrap()).with_mode(mode);
            let hook = Webhook::new(options.with_pool(unguarded()).with_max_bytes(1000));
            assert_too_long(&hook.deliver(&long(1000)).await.unwrap_err());
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_mebibyte_passes_unless_less_is_asked_for() {
    let server = answering(ResponseTemplate::new(200)).await;
    let plain = HttpOptions::new(server.uri()).with_mode(CloudEventsMode::None);
    let headers = "content-type".len() + "text/plain".len();
    let longest = long(1024 * 1024 - headers);
    Http::new(plain.clone()).deliver(&longest).await.unwrap();
    assert!(Http::new(plain).deliver(&long(1024 * 1024 - headers + 1)).await.is_err());
    let options =
        WebhookOptions::new(server.uri(), Secret::new("s").unwrap()).with_mode(CloudEventsMode::None);
    Webhook::new(options.with_pool(unguarded())).deliver(&longest).await.unwrap();
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_batch_is_as_many_requests_as_its_length_takes() {
    let server = answering(ResponseTemplate::new(200)).await;
    let options = HttpOptions::new(server.uri()).with_mode(CloudEventsMode::Batched).with_max_bytes(2000);
    let mut batch: Vec<_> = (0..20).map(|number| Envelope::json("N", json!(number))).collect();
    batch.insert(7, long(2000));
    let results = Http::new(options).deliver_batch(&batch).await;
    assert!(matches!(cause(results[7].as_ref().unwrap_err()), HttpError::TooLong { .. }));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 20);

    let requests = server.received_requests().await.unwrap();
    assert!((2..20).contains(&requests.len()), "{}", requests.len());
    let mut numbers = Vec::new();
    for request in requests {
        assert!(request.body.len() < 2000);
        let Value::Array(events) = serde_json::from_slice(&request.body).unwrap() else { panic!("no array") };
        numbers.extend(events.into_iter().map(|event| event["data"].clone()));
    }
    assert_eq!(numbers, (0..20).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn a_limit_that_lets_nothing_pass_is_a_problem() {
    for max_bytes in [0, HttpOptions::MOST_BYTES + 1] {
        let text = problems(&Http::new(HttpOptions::new("http://h.example/").with_max_bytes(max_bytes)));
        assert_eq!(text, format!("INVALID_PARAMETER: max_bytes is {max_bytes}: use 1 to 1073741824"));
        let options = WebhookOptions::new("https://h.example/", Secret::new("s").unwrap());
        let text = problems(&Webhook::new(options.with_max_bytes(max_bytes)));
        assert_eq!(text, format!("INVALID_PARAMETER: max_bytes is {max_bytes}: use 1 to 1073741824"));
    }
}
