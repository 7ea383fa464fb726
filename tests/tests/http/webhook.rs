//! Signed deliveries.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dispatch_adapters::http::{AddressGuard, Compression, HttpError, HttpPool, PoolOptions};
use dispatch_adapters::policy::{Around, Retry};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Scheme, TOLERANCE, Verifier, VerifyError, Webhook, WebhookOptions};
use dispatch_core::policy::RetryPolicy;
use dispatch_core::{Adapter, DeliveryErrorKind, Envelope, HealthStatus};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::server::Server;
use super::{At, Ticking, answering, cause, order, problems};

const NOW: u64 = 1_700_000_000;

/// The options of a pool that may ask this machine.
pub(crate) fn unguarded() -> PoolOptions {
    PoolOptions { guard: Some(AddressGuard::off()), ..PoolOptions::default() }
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn options(url: impl Into<String>) -> WebhookOptions {
    WebhookOptions::new(url, secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).with_pool(unguarded())
}

fn check(scheme: Scheme, secret: &Secret, request: &Request) -> Result<(), VerifyError> {
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let verifier = Verifier::new(scheme, std::slice::from_ref(secret)).unwrap().with_tolerance(TOLERANCE);
    verifier.verify(headers, &request.body, UNIX_EPOCH + Duration::from_secs(NOW))
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn every_scheme_is_accepted_by_its_verifier() {
    for scheme in [Scheme::Standard, Scheme::Stripe, Scheme::Github, Scheme::Hex] {
        let server = answering(ResponseTemplate::new(200)).await;
        let (new, old) = (secret("new"), secret("old"));
        let options = WebhookOptions::new(server.uri(), new.clone())
            .with_old_secret(old.clone())
            .with_scheme(scheme)
            .with_pool(unguarded());
        let hook = Webhook::new(options).with_clock(Arc::new(At(NOW)));
        hook.deliver(&order()).await.unwrap();
        let request = &requests(&server).await[0];
        assert_eq!(check(scheme, &new, request), Ok(()), "{scheme}");
        assert_eq!(check(scheme, &secret("other"), request), Err(VerifyError::BadSignature));
        let old_fits = check(scheme, &old, request).is_ok();
        assert_eq!(old_fits, matches!(scheme, Scheme::Standard | Scheme::Stripe), "{scheme}");
        assert_eq!(hook.health().await.status, HealthStatus::Healthy);
    }
}

#[tokio::test]
async fn the_id_stays_and_the_timestamp_is_that_of_the_attempt() {
    let server = MockServer::start().await;
    let fail = ResponseTemplate::new(503);
    Mock::given(path("/")).respond_with(fail).up_to_n_times(2).mount(&server).await;
    Mock::given(path("/")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let hook = Webhook::new(options(server.uri())).with_clock(Arc::new(Ticking::from(NOW)));
    let retry = Retry::new(RetryPolicy::default().with_base(Duration::from_millis(1)));
    let envelope = order();
    Around::new(retry, hook).deliver(&envelope).await.unwrap();
    let requests = requests(&server).await;
    assert_eq!(requests.len(), 3);
    let values = |name: &str| {
        let mut values: Vec<_> =
            requests.iter().map(|it| it.headers[name].to_str().unwrap().to_owned()).collect();
        values.dedup();
        values
    };
    assert_eq!(values("webhook-id"), [envelope.id().to_string()]);
    assert_eq!(values("webhook-timestamp").len(), 3);
    assert_eq!(values("webhook-signature").len(), 3);
    for request in &requests {
        assert_eq!(
            check(Scheme::Standard, &secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), request),
            Ok(())
        );
    }
}

#[tokio::test]
async fn the_event_is_named_in_a_header() {
    let server = answering(ResponseTemplate::new(200)).await;
    let named = options(server.uri()).with_event_header("X-Event").with_event("OrderPlaced", "order.placed");
    let hook = Webhook::new(named);
    hook.deliver(&order()).await.unwrap();
    hook.deliver(&Envelope::json("Other", 1.into())).await.unwrap();
    Webhook::new(options(server.uri()).with_scheme(Scheme::Hex)).deliver(&order()).await.unwrap();
    Webhook::new(options(server.uri())).deliver(&order()).await.unwrap();
    let requests = requests(&server).await;
    assert_eq!(requests[0].headers["x-event"], "order.placed");
    assert_eq!(requests[1].headers["x-event"], "Other");
    assert_eq!(requests[2].headers["x-webhook-event"], "OrderPlaced");
    assert!(!requests[3].headers.contains_key("x-webhook-event"));
}

#[tokio::test]
async fn the_signature_can_go_into_another_header() {
    let server = answering(ResponseTemplate::new(200)).await;
    let hook = Webhook::new(options(server.uri()).with_signature_header("X-Acme-Signature"));
    hook.deliver(&order()).await.unwrap();
    let headers = &requests(&server).await[0].headers;
    assert!(headers.contains_key("x-acme-signature") && !headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn the_signature_is_that_of_the_body_before_it_is_compressed() {
    let server = answering(ResponseTemplate::new(200)).await;
    let hook = Webhook::new(options(server.uri()).with_compression(Compression::Gzip));
    hook.with_clock(Arc::new(At(NOW))).deliver(&order()).await.unwrap();
    let mut request = requests(&server).await.remove(0);
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&request.body[..]), &mut plain).unwrap();
    request.body = plain;
    assert_eq!(check(Scheme::Standard, &secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &request), Ok(()));
}

#[tokio::test]
async fn every_url_is_asked_and_has_its_own_result() {
    let server = MockServer::start().await;
    for (route, status) in [("/a", 200), ("/b", 410), ("/c", 500), ("/d", 202)] {
        Mock::given(path(route)).respond_with(ResponseTemplate::new(status)).mount(&server).await;
    }
    let base = server.uri();
    for parallel in [false, true] {
        let options = WebhookOptions { parallel, ..options(format!("{base}/a?key=s3cret")) };
        let options =
            ["/b", "/c", "/d"].iter().fold(options, |it, path| it.with_url(format!("{base}{path}")));
        let hook = Webhook::new(options);
        let results = hook.deliver_each(&order()).await.unwrap();
        let shown: Vec<_> = results
            .iter()
            .map(|each| {
                (
                    each.destination.replace(&base, ""),
                    each.result.as_ref().err().map(dispatch_core::DeliveryError::kind),
                )
            })
            .collect();
        let expected = [
            ("/a".to_owned(), None),
            ("/b".to_owned(), Some(DeliveryErrorKind::Disabled)),
            ("/c".to_owned(), Some(DeliveryErrorKind::Retry)),
            ("/d".to_owned(), None),
        ];
        assert_eq!(shown, expected);
        let error = hook.deliver(&order()).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Retry);
        let text = error.message().replace(&base, "");
        assert_eq!(text, "2 of 4 urls failed: /b answered 410: it wants nothing more; /c answered 500");
    }
    let order: Vec<_> = requests(&server).await.iter().take(4).map(|it| it.url.path().to_owned()).collect();
    assert_eq!(order, ["/a", "/b", "/c", "/d"]);
}

#[tokio::test]
async fn tried_again_only_the_urls_that_failed_are_asked() {
    for parallel in [false, true] {
        let server = MockServer::start().await;
        Mock::given(path("/b"))
            .respond_with(ResponseTemplate::new(503))
            .up_to_n_times(2)
            .mount(&server)
            .await;
        Mock::given(wiremock::matchers::any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let base = server.uri();
        let options = WebhookOptions { parallel, ..options(format!("{base}/a")) };
        let options = ["/b", "/c"].iter().fold(options, |it, path| it.with_url(format!("{base}{path}")));
        let retry = RetryPolicy::default().with_base(Duration::from_millis(1));
        let hook = dispatch_adapters::Delivery::to(Webhook::new(options)).retry(retry).start().unwrap();
        hook.deliver(&order()).await.unwrap();
        let mut asked: Vec<_> = requests(&server).await.iter().map(|it| it.url.path().to_owned()).collect();
        asked.sort();
        assert_eq!(asked, ["/a", "/b", "/b", "/b", "/c"]);
        hook.deliver(&order()).await.unwrap();
        assert_eq!(requests(&server).await.len(), 8, "another envelope goes to all of them");
    }
}

#[tokio::test]
async fn tried_again_a_url_that_refused_for_good_is_left_alone_and_still_told_of() {
    for parallel in [false, true] {
        let server = MockServer::start().await;
        let answer =
            |route, status: u16| Mock::given(path(route)).respond_with(ResponseTemplate::new(status));
        answer("/a", 400).mount(&server).await;
        answer("/b", 503).up_to_n_times(1).mount(&server).await;
        answer("/b", 200).mount(&server).await;
        let base = server.uri();
        let options = WebhookOptions { parallel, ..options(format!("{base}/a")) };
        let retry = RetryPolicy::default().with_base(Duration::from_millis(1));
        let hook = Webhook::new(options.with_url(format!("{base}/b")));
        let hook = dispatch_adapters::Delivery::to(hook).retry(retry).start().unwrap();
        let error = hook.deliver(&order()).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
        let text = error.message().replace(&base, "");
        assert_eq!(text, "1 of 2 urls failed: /a had refused it before");
        let mut asked: Vec<_> = requests(&server).await.iter().map(|it| it.url.path().to_owned()).collect();
        asked.sort();
        assert_eq!(asked, ["/a", "/b", "/b"]);
    }
}

#[tokio::test]
async fn each_url_gets_a_signature_of_the_time_it_is_asked() {
    let server = answering(ResponseTemplate::new(200)).await;
    let base = server.uri();
    let options = options(format!("{base}/a")).with_url(format!("{base}/b"));
    let hook = Webhook::new(options).with_clock(Arc::new(Ticking::from(NOW)));
    hook.deliver(&order()).await.unwrap();
    let requests = requests(&server).await;
    assert_ne!(requests[0].headers["webhook-timestamp"], requests[1].headers["webhook-timestamp"]);
    assert_ne!(requests[0].headers["webhook-signature"], requests[1].headers["webhook-signature"]);
    for request in &requests {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(check(Scheme::Standard, &secret, request), Ok(()));
    }
}

#[test]
fn a_delivery_has_time_for_every_url_and_for_the_wait_for_a_connection() {
    let limit = Duration::from_secs(2);
    let of = |parallel| {
        let urls = (1..20).fold(options("http://h.example/0"), |options, number| {
            options.with_url(format!("http://h.example/{number}"))
        });
        Webhook::new(WebhookOptions { parallel, ..urls }).time_for(limit)
    };
    let each = limit + PoolOptions::default().checkout_timeout;
    assert_eq!((of(false), of(true)), (each * 20, each * 3), "20 urls, or 8 at a time");
}

#[tokio::test]
async fn the_guard_is_on_unless_told_otherwise() {
    let server = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    let literal = Webhook::new(WebhookOptions::new(server.url(), secret("s")));
    assert!(problems(&literal).contains("127.0.0.1 is not a public address (loopback)"));
    let named = Webhook::new(WebhookOptions::new(format!("http://localhost:{}/", server.port), secret("s")));
    let error = named.deliver(&order()).await.unwrap_err();
    assert!(matches!(cause(&error), HttpError::Guarded { .. }), "{error}");
    assert_eq!(server.connections(), 0);
    let guard = AddressGuard::on().allowing("127.0.0.0/8".parse().unwrap());
    let pool = PoolOptions { guard: Some(guard), ..PoolOptions::default() };
    Webhook::new(WebhookOptions::new(server.url(), secret("s")).with_pool(pool))
        .deliver(&order())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_shared_pool_must_say_whether_it_guards() {
    let silent = HttpPool::new(PoolOptions { name: "p".to_owned(), ..PoolOptions::default() });
    let hook = Webhook::new(options("http://h.example/")).in_pool(&silent);
    assert_eq!(
        problems(&hook),
        "INVALID_CONFIGURATION: pool 'p' does not say whether it guards addresses: set its guard"
    );
    let said = HttpPool::new(unguarded());
    assert!(Webhook::new(options("http://h.example/")).in_pool(&said).validate().is_ok());
}

#[test]
fn all_problems_come_at_once() {
    let json = r#"{
        "urls": ["http://h.example/", "http://h.example/", "http://10.0.0.1/", ""],
        "secrets": ["env:DISPATCH_NO_SUCH"], "signature_header": "a b", "event_header": "x\r\ny",
        "headers": {"webhook-id": "1"}, "cloud_events": "batched", "timeout_ms": 0
    }"#;
    let hook = Webhook::new(serde_json::from_str(json).unwrap());
    insta::assert_snapshot!(problems(&hook), @r#"
    INVALID_CONFIGURATION: cloud_events is 'batched', but a webhook has one id and one signature: use another mode
    INVALID_PARAMETER: "a b" is not the name of a header: use letters, digits and hyphens
    INVALID_PARAMETER: "x\r\ny" is not the name of a header: use letters, digits and hyphens
    INVALID_PARAMETER: environment variable 'DISPATCH_NO_SUCH' is not set: set it for this process, or name another one
    INVALID_PARAMETER: header "webhook-id" is set by the adapter: leave it out
    INVALID_PARAMETER: timeout is 0ns: use 1 ms to 60 s
    INVALID_PARAMETER: url is missing: give one of http or https
    INVALID_PARAMETER: url: 10.0.0.1 is not a public address (private): use another, or add its range to pool.guard.allow
    INVALID_PARAMETER: urls holds the same URL twice: leave one out
    "#);
}

#[test]
fn a_webhook_without_a_secret_is_refused() {
    let hook = Webhook::new(WebhookOptions { secrets: Vec::new(), ..options("http://h.example/") });
    assert_eq!(problems(&hook), "INVALID_PARAMETER: there is no secret to sign with: give at least one");
    let bad = WebhookOptions::new("http://h.example/", secret("whsec_???")).with_pool(unguarded());
    assert!(problems(&Webhook::new(bad)).contains("secret 1 is not Base64 after 'whsec_'"));
}
