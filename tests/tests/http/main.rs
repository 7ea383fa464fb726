//! Delivery over HTTP: one file per topic, one test per behaviour.
//!
//! Servers are real and local. What must time out does so after a few dozen milliseconds, set in the options; no test
//! sleeps.

mod answers;
mod bodies;
mod conformance;
mod guard;
mod injection;
mod interop;
mod limits;
mod misbehaving;
mod options;
mod pool;
mod proxy;
mod secrets;
mod server;
mod tls;
mod webhook;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatch_adapters::http::{AddressGuard, Http, HttpError, HttpOptions, PoolOptions};
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::{Adapter, Clock, DeliveryError, Envelope};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// What a timeout is set to that must run out.
const SHORT: Duration = Duration::from_millis(80);

/// What a timeout is set to that must not run out, however busy the machine is.
const LONG: Duration = Duration::from_secs(20);

/// A server that always answers like this.
async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

fn order() -> Envelope {
    Envelope::json("OrderPlaced", json!({"id": 7})).with_source("/shop")
}

/// An `http` adapter with these options, and a `webhook` that goes to the same place in the same way.
fn both(options: HttpOptions) -> [Box<dyn Adapter>; 2] {
    let hook = WebhookOptions {
        urls: vec![options.url.clone()],
        secrets: vec![webhook::secret("s3cret").into()],
        timeout: options.timeout,
        mode: options.mode,
        pool: PoolOptions { guard: Some(AddressGuard::off()), ..options.pool.clone() },
        ..WebhookOptions::default()
    };
    [Box::new(Http::new(options)), Box::new(Webhook::new(hook))]
}

/// The error of a delivery to a URL; it is the same with a webhook.
async fn refused(url: &str) -> DeliveryError {
    refused_within(url, LONG).await
}

/// The error of a delivery to a URL that does not answer in time.
async fn timed_out(url: &str) -> DeliveryError {
    refused_within(url, SHORT).await
}

async fn refused_within(url: &str, timeout: Duration) -> DeliveryError {
    let [http, hook] = both(HttpOptions::new(url).with_timeout(timeout));
    let (error, same) =
        (http.deliver(&order()).await.unwrap_err(), hook.deliver(&order()).await.unwrap_err());
    assert_eq!((same.kind(), same.message()), (error.kind(), error.message()));
    assert_eq!(
        std::mem::discriminant(cause(&same)),
        std::mem::discriminant(cause(&error)),
        "{same:?} {error:?}"
    );
    error
}

/// What the error was made from.
fn cause(error: &DeliveryError) -> &HttpError {
    std::error::Error::source(error).and_then(|source| source.downcast_ref()).expect("an HttpError")
}

/// All the problems of an adapter, one a line.
fn problems(adapter: &impl Adapter) -> String {
    let mut problems = adapter.validate().expect_err("it has problems");
    problems.sort();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A clock that goes on by one second each time it is looked at.
struct Ticking(AtomicU64);

impl Ticking {
    fn from(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds))
    }
}

impl Clock for Ticking {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A clock that stands still.
struct At(u64);

impl Clock for At {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }
}
