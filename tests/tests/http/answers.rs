//! What an answer means.

use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::http::{Http, HttpError, HttpOptions};
use dispatch_core::{Adapter, DeliveryErrorKind, HealthStatus};
use wiremock::ResponseTemplate;

use super::{At, answering, cause, order, refused};

/// 1999-12-31 23:59:00 UTC.
const NOW: u64 = 946_684_740;

async fn kind(response: ResponseTemplate) -> DeliveryErrorKind {
    let server = answering(response).await;
    let http = Http::new(HttpOptions::new(server.uri())).with_clock(Arc::new(At(NOW)));
    http.deliver(&order()).await.unwrap_err().kind()
}

#[tokio::test]
async fn a_receipt_carries_the_answer() {
    let server = answering(ResponseTemplate::new(202).set_body_string("queued as 9")).await;
    let receipt = Http::new(HttpOptions::new(server.uri())).deliver(&order()).await.unwrap();
    let answer = receipt.answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (Some(202), &b"queued as 9"[..]));
}

#[tokio::test]
async fn the_status_decides_what_may_be_done_next() {
    use DeliveryErrorKind::{Disabled, Permanent, Retry};
    for (status, expected) in [
        (304, Permanent),
        (400, Permanent),
        (401, Permanent),
        (404, Permanent),
        (408, Retry),
        (410, Disabled),
        (413, Permanent),
        (425, Retry),
        (429, Retry),
        (500, Retry),
        (503, Retry),
    ] {
        assert_eq!(kind(ResponseTemplate::new(status)).await, expected, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let wait = |seconds| DeliveryErrorKind::RetryAfter(Duration::from_secs(seconds));
    for (status, text, expected) in [
        (429, "7", wait(7)),
        (503, "120", wait(120)),
        (429, "Fri, 31 Dec 1999 23:59:59 GMT", wait(59)),
        (503, "Thu, 31 Dec 2099 23:59:59 GMT", wait(86_400)),
        (429, "Fri, 31 Dec 1999 23:00:00 GMT", DeliveryErrorKind::Retry),
        (503, "soon", DeliveryErrorKind::Retry),
        (500, "7", DeliveryErrorKind::Retry),
        (400, "7", DeliveryErrorKind::Permanent),
    ] {
        let response = ResponseTemplate::new(status).insert_header("retry-after", text);
        assert_eq!(kind(response).await, expected, "{status} {text}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = answering(ResponseTemplate::new(302).insert_header("location", "/")).await;
    let error = refused(&server.uri()).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    assert!(matches!(cause(&error), HttpError::Status { status: 302, .. }));
    assert_eq!(server.received_requests().await.unwrap().len(), 2, "one of each adapter");
}

#[tokio::test]
async fn no_more_than_64_kib_of_an_answer_are_kept() {
    for (sent, kept) in [(65_535, 65_535), (65_536, 65_536), (65_537, 65_536), (3_000_000, 65_536)] {
        let server = answering(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; sent])).await;
        let receipt = Http::new(HttpOptions::new(server.uri())).deliver(&order()).await.unwrap();
        assert_eq!(receipt.answer.unwrap().body.len(), kept);
    }
}

#[tokio::test]
async fn an_error_names_the_destination_without_its_query() {
    let server = answering(ResponseTemplate::new(404)).await;
    let url = server.uri().replace("http://", "http://joe:pa55word@") + "/hook?key=s3cret#part";
    let error = refused(&url).await;
    assert_eq!(error.message(), format!("{}/hook answered 404", server.uri()));
}

#[tokio::test]
async fn user_information_of_the_url_becomes_a_header() {
    let server = answering(ResponseTemplate::new(200)).await;
    let url = server.uri().replace("http://", "http://joe:p%40ss@");
    Http::new(HttpOptions::new(url)).deliver(&order()).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["authorization"], "Basic am9lOnBAc3M=");
}

#[tokio::test]
async fn a_destination_that_says_no_is_reachable() {
    for (status, health) in [
        (400, HealthStatus::Healthy),
        (422, HealthStatus::Healthy),
        (410, HealthStatus::Unhealthy),
        (429, HealthStatus::Unhealthy),
        (500, HealthStatus::Unhealthy),
    ] {
        let server = answering(ResponseTemplate::new(status)).await;
        let http = Http::new(HttpOptions::new(server.uri()));
        http.deliver(&order()).await.unwrap_err();
        let told = http.health().await;
        assert_eq!((told.status, told.last_success), (health, None), "{status}");
    }
}

#[tokio::test]
async fn health_is_that_of_the_last_call() {
    let server = answering(ResponseTemplate::new(200)).await;
    let http = Http::new(HttpOptions::new(server.uri())).with_clock(Arc::new(At(NOW)));
    assert_eq!(http.health().await.status, HealthStatus::Unknown);
    http.deliver(&order()).await.unwrap();
    let health = http.health().await;
    assert_eq!(health.status, HealthStatus::Healthy);
    assert!(health.latency.is_some() && health.last_success.is_some());
    server.reset().await;
    assert!(http.deliver(&order()).await.is_err(), "now it answers 404");
    let after = http.health().await;
    assert_eq!((after.status, after.last_success), (HealthStatus::Healthy, health.last_success));
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    assert!(http.deliver(&order()).await.is_err(), "now it answers 500");
    let after = http.health().await;
    assert_eq!((after.status, after.last_success), (HealthStatus::Unhealthy, health.last_success));
}
