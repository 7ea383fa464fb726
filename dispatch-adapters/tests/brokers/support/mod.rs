//! What the tests of all brokers need.

#![allow(dead_code, unused_imports, reason = "each of these is for some of the features")]

mod proxy;
#[cfg(feature = "_tls")]
mod tls;

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::model::delivery::conformance::{Destination, Features, Suite};
use dispatch_adapters::model::uuid::Uuid;
use dispatch_adapters::model::{Adapter, CloudEvent, DeliveryError, Envelope, HealthStatus, Receipt};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub(crate) use proxy::Proxy;
#[cfg(feature = "_tls")]
pub(crate) use tls::{Ending, Opening, names_what_is_wrong_with_tls, speaks_tls};

/// The URL of a server, or `None` if there is none to test with.
pub(crate) fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let required = std::env::var("DISPATCH_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "DISPATCH_REQUIRE_SERVERS is 1 and {variable} is not set: give the URL of a server"
        );
        // Not through the macros, whose output is kept back from a test that passes.
        let (test, mut stderr) = (std::thread::current(), std::io::stderr());
        let name = test.name().unwrap_or("a test");
        writeln!(stderr, "{name} skipped: set {variable} to run").unwrap();
    }
    url
}

/// `host:port` of a URL.
pub(crate) fn address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// A name that no other run has.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}

/// An envelope with everything that has to arrive.
pub(crate) fn order(topic: &str, number: u32) -> Envelope {
    Envelope::json("OrderPlaced", serde_json::json!({ "number": number }))
        .with_topic(&topic.parse().unwrap())
        .with_source("/shop")
        .with_key("customer-7")
        .with_header("tenant", "blue")
        .with_correlation_id(Uuid::from_u128(7))
}

/// The envelope in a structured message.
pub(crate) fn read(body: &[u8]) -> Envelope {
    Envelope::from_cloud_event(CloudEvent::from_json(body).unwrap()).unwrap()
}

/// Both are the same envelope.
pub(crate) fn assert_same(arrived: &Envelope, sent: &Envelope) {
    assert_eq!(serde_json::to_value(arrived).unwrap(), serde_json::to_value(sent).unwrap());
}

/// Waits for something that must come, for 10 s at most.
pub(crate) async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
    waited.unwrap_or_else(|_| panic!("{what} did not come within 10 s"))
}

/// Delivers until it is taken; every error on the way must be one that may be retried.
pub(crate) async fn deliver_until_taken(adapter: &dyn Adapter, envelope: &Envelope) -> Receipt {
    let deliver = async {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        loop {
            match adapter.deliver(envelope).await {
                Ok(receipt) => return receipt,
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
            pause.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), deliver).await.expect("not taken within 20 s")
}

/// What every adapter does with a server that takes a connection and says nothing: it gives up in time.
pub(crate) async fn gives_up_in_time(make: impl FnOnce(u16, Duration) -> Box<dyn Adapter>) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = make(silent.local_addr().unwrap().port(), Duration::from_millis(200));
    let since = Instant::now();
    let results = adapter.deliver_batch(&[order("a.b", 1), order("a.b", 2)]).await;
    assert_eq!(results.len(), 2);
    for result in results {
        let error = result.unwrap_err();
        assert!(error.is_retryable() && error.message().contains("127.0.0.1"), "{error:?}");
    }
    assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

/// What every adapter does with a server that is away at the start, comes, goes and comes back.
pub(crate) async fn survives_an_outage(
    adapter: &dyn Adapter,
    proxy: &mut Proxy,
    topic: &str,
) -> Vec<Envelope> {
    proxy.cut().await;
    let (first, second) = (order(topic, 1), order(topic, 2));
    let error = adapter.deliver(&first).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);

    proxy.restore().await;
    deliver_until_taken(adapter, &first).await;
    let health = adapter.health().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    assert!(health.last_success.is_some() && health.latency.is_some());

    let (connections, more) = (proxy.accepted(), order(topic, 3));
    let shared = join_all((0..20).map(|_| adapter.deliver(&more))).await;
    assert!(shared.iter().all(Result::is_ok), "{shared:?}");
    assert_eq!(proxy.accepted(), connections, "one connection is enough");

    proxy.cut().await;
    let lost = adapter.deliver(&second).await.unwrap_err();
    assert!(lost.is_retryable(), "{lost:?}");
    proxy.restore().await;
    deliver_until_taken(adapter, &second).await;
    vec![first, second]
}

/// An error that will not go away, with nothing of the password in it.
pub(crate) fn assert_refused(error: &DeliveryError, expected: &str) {
    assert!(!error.is_retryable(), "{error:?}");
    assert!(error.message().contains(expected), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

/// What every adapter does: it passes the public suite, with what it promises and with what arrived read back. What has
/// no topic is what it refuses.
#[allow(clippy::print_stdout, reason = "a test that fails shows the whole")]
pub(crate) async fn passes_the_suite(
    adapter: impl Adapter,
    topic: &str,
    features: Features,
    destination: impl Destination + 'static,
) {
    let suite = Suite::new(Arc::new(adapter))
        .with_features(features)
        .with_destination(Arc::new(destination))
        .with_topic(topic.parse().unwrap())
        .with_poison(Envelope::empty("NoTopic"))
        .with_secrets(["guest:guest"]);
    let report = suite.run().await;
    println!("{report}");
    report.assert();
}

/// What structured messages promise wherever they go: nobody there drops what has come before, and the broker gives them
/// no ids.
pub(crate) fn structured() -> Features {
    Features { idempotent: false, receipt_ids: false, ..Features::all() }
}

/// What ends a look at a destination that hands out what it gets: it is sent behind everything that was confirmed.
pub(crate) const MARKER: &str = "Marker";

/// The envelope of a marker.
pub(crate) fn marker(topic: &str) -> Envelope {
    Envelope::empty(MARKER).with_topic(&topic.parse().unwrap())
}

/// An envelope as a structured message.
pub(crate) fn structured_body(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec(&envelope.to_cloud_event().unwrap()).unwrap()
}
