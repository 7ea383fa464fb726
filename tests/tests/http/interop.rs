//! What we send is accepted by the reference libraries of Standard Webhooks and CloudEvents.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use dispatch_adapters::http::{CloudEventsMode, Http, HttpOptions};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Scheme, TOLERANCE, Webhook, WebhookOptions, verify};
use dispatch_core::{Adapter, Envelope};
use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use super::answering;
use super::webhook::unguarded;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn envelope() -> Envelope {
    Envelope::json("OrderPlaced", json!({"id": 7, "name": "Gr\u{fc}n \u{1f600}"}))
        .with_source("/shop")
        .with_subject("orders/7 \u{20ac} 5%")
        .with_key("customer-1")
        .with_header("x-kind", "big \"one\"")
        .with_hops(1)
}

/// The event that an envelope is to be read as.
fn event(envelope: &Envelope, data: &Value) -> Value {
    json!({
        "id": envelope.id().to_string(), "type": envelope.message_type_str(),
        "source": envelope.source(), "subject": envelope.subject(), "data": data,
    })
}

/// The last request of a server, as the script reads it.
async fn request(server: &MockServer, mode: &str, secret: Option<&str>, expected: &[Value]) -> Value {
    let request = server.received_requests().await.unwrap().pop().unwrap();
    let headers: BTreeMap<_, _> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    json!({"mode": mode, "secret": secret, "headers": headers, "body": request.body, "expected": expected})
}

#[tokio::test]
async fn the_reference_libraries_accept_what_is_sent() {
    if std::env::var("DISPATCH_INTEROP").as_deref() != Ok("1") {
        eprintln!(
            "skipped: the_reference_libraries_accept_what_is_sent needs DISPATCH_INTEROP=1, python3, node and npm"
        );
        return;
    }
    let server = answering(ResponseTemplate::new(200)).await;
    let envelope = envelope();
    let data = envelope.raw_payload().to_json().unwrap().into_owned();
    let bytes = Envelope::bytes("Blob", vec![0, 159, 255], "application/x-blob").with_source("/shop");
    let (json_event, bytes_event) = (event(&envelope, &data), event(&bytes, &json!([0, 159, 255])));
    let mut requests = Vec::new();
    for (mode, name) in [(CloudEventsMode::Structured, "structured"), (CloudEventsMode::Binary, "binary")] {
        let secret = Secret::new(SECRET).unwrap();
        let options = WebhookOptions::new(server.uri(), secret)
            .with_old_secret(Secret::new("an old one").unwrap())
            .with_mode(mode)
            .with_pool(unguarded());
        Webhook::new(options).deliver(&envelope).await.unwrap();
        requests.push(request(&server, name, Some(SECRET), std::slice::from_ref(&json_event)).await);
        Http::new(HttpOptions::new(server.uri()).with_mode(mode)).deliver(&bytes).await.unwrap();
        requests.push(request(&server, name, None, std::slice::from_ref(&bytes_event)).await);
    }
    let http = Http::new(HttpOptions::new(server.uri()).with_mode(CloudEventsMode::Batched));
    assert!(http.deliver_batch(&[envelope, bytes]).await.iter().all(Result::is_ok));
    requests.push(request(&server, "batched", None, &[json_event, bytes_event]).await);

    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop.json");
    std::fs::write(&file, serde_json::to_vec(&requests).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/interop.sh");
    let output = Command::new(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let signed: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
    let headers = signed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let secrets = [Secret::new(SECRET).unwrap()];
    let accepted = verify(Scheme::Standard, &secrets, headers, b"{}", SystemTime::now(), TOLERANCE);
    assert_eq!(accepted, Ok(()), "what they sign, we accept");
}
