//! The public suite for adapters, against a server that keeps what it takes.

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_adapters::http::{CloudEventsMode, Http, HttpOptions};
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::delivery::conformance::{Arrival, Destination, Features, Suite};
use dispatch_core::{Adapter, CloudEvent, Envelope};
use wiremock::matchers::{any, body_string_contains};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::LONG;
use super::webhook::{secret, unguarded};

/// Refuses what is called so, and takes the rest.
const POISON: &str = "PoisonedOrder";
/// More than the largest payload of the suite and what is around it.
const MAX_BYTES: usize = 8 << 20;

struct Taken(MockServer);

impl Taken {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let refuse = Mock::given(body_string_contains(POISON));
        refuse.respond_with(ResponseTemplate::new(400)).with_priority(1).mount(&server).await;
        Mock::given(any()).respond_with(ResponseTemplate::new(204)).with_priority(2).mount(&server).await;
        Self(server)
    }
}

#[async_trait]
impl Destination for Taken {
    async fn arrived(&self, _: usize) -> Vec<Arrival> {
        let read = |body: &[u8]| {
            Envelope::from_cloud_event(CloudEvent::from_json(body).unwrap()).expect("it is an envelope")
        };
        let requests = self.0.received_requests().await.unwrap();
        let arrived = requests.iter().map(|request| read(&request.body));
        arrived.filter(|it| it.message_type_str() != POISON).map(|it| Arrival::from(&it)).collect()
    }
}

/// All but what HTTP has no word for: that something comes twice, and ids of its own.
fn features() -> Features {
    Features { idempotent: false, receipt_ids: false, ..Features::all() }
}

async fn passes(adapter: impl Adapter, taken: Taken) {
    let suite = Suite::new(Arc::new(adapter))
        .with_features(features())
        .with_poison(Envelope::empty(POISON))
        .with_destination(Arc::new(taken));
    let report = suite.run().await;
    report.assert();
    assert_eq!(
        report.skipped(),
        [
            "receipts have ids",
            "a repeated envelope arrives once",
            "a payload that is too large is refused for good"
        ]
    );
}

#[tokio::test]
async fn http_passes() {
    let taken = Taken::start().await;
    let options = HttpOptions::new(taken.0.uri()).with_mode(CloudEventsMode::Structured).with_timeout(LONG);
    passes(Http::new(HttpOptions { max_bytes: MAX_BYTES, ..options }), taken).await;
}

#[tokio::test]
async fn webhook_passes() {
    let taken = Taken::start().await;
    let options = WebhookOptions::new(taken.0.uri(), secret("s")).with_pool(unguarded());
    let options =
        WebhookOptions { max_bytes: MAX_BYTES, mode: CloudEventsMode::Structured, timeout: LONG, ..options };
    passes(Webhook::new(options), taken).await;
}
