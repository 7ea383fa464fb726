//! Connections that targets share.

use std::time::Duration;

use dispatch_adapters::Delivery;
use dispatch_adapters::http::{Http, HttpError, HttpOptions, HttpPool, PoolOptions};
use dispatch_core::policy::{BreakerConfig, BreakerPhase, RefusedBy, RetryPolicy};
use dispatch_core::{Adapter, DeliveryErrorKind, HealthStatus};
use tokio::io::AsyncWriteExt;

use super::server::{Server, hold, read_request};
use super::{LONG, SHORT, both, cause, order, problems};

fn pool(size: usize) -> HttpPool {
    let options =
        PoolOptions { name: "p".to_owned(), size, checkout_timeout: SHORT, ..PoolOptions::default() };
    HttpPool::new(options)
}

#[tokio::test]
async fn waiting_too_long_for_a_connection_is_an_error_of_its_own() {
    let (busy, idle) = (Server::start(hold).await, Server::start(hold).await);
    let pool = pool(1);
    let slow = Http::new(HttpOptions::new(busy.url()).with_timeout(Duration::from_secs(20))).in_pool(&pool);
    let other = Http::new(HttpOptions::new(idle.url())).in_pool(&pool);
    let envelope = order();
    let error = tokio::select! {
        biased;
        _ = slow.deliver(&envelope) => unreachable!("it never answers"),
        result = other.deliver(&envelope) => result.unwrap_err(),
    };
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::PoolExhausted { .. }), "{error}");
    assert_eq!(
        error.message(),
        "no connection of pool 'p' was free within 80 ms: give it more, or send less"
    );
    assert_eq!(idle.connections(), 0, "nothing was sent");
    assert_eq!(error.refusal().unwrap().by, RefusedBy::PoolExhausted);
    assert_eq!(other.health().await.status, HealthStatus::Unknown);
}

#[tokio::test]
async fn an_exhausted_pool_is_tried_again_and_opens_no_breaker() {
    let (busy, idle) = (Server::start(hold).await, Server::start(hold).await);
    let pool = pool(1);
    let slow = Http::new(HttpOptions::new(busy.url()).with_timeout(Duration::from_secs(20))).in_pool(&pool);
    let retry = RetryPolicy::default().with_max_retries(2).with_base(Duration::from_millis(1));
    let recorder = dispatch_adapters::metrics::DeliveryRecorder::new();
    let other = Delivery::to(Http::new(HttpOptions::new(idle.url())).in_pool(&pool))
        .metrics(&recorder)
        .retry(retry)
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .start()
        .unwrap();
    let envelope = order();
    let error = tokio::select! {
        biased;
        _ = slow.deliver(&envelope) => unreachable!("it never answers"),
        result = other.deliver(&envelope) => result.unwrap_err(),
    };
    assert_eq!(error.history().unwrap().attempts, 3);
    assert_eq!(other.breaker().unwrap().phase(), BreakerPhase::Closed);
    let told = recorder.snapshot();
    let (_, _, told) = told.destinations().next().unwrap();
    assert_eq!(told.refused_by(RefusedBy::PoolExhausted), 3);
}

#[tokio::test]
async fn a_connection_is_given_back_by_a_delivery_that_is_dropped() {
    let busy = Server::start(hold).await;
    let good = Server::writing("HTTP/1.1 204 No Content\r\n\r\n").await;
    let pool = pool(1);
    let slow = Http::new(HttpOptions::new(busy.url())).in_pool(&pool);
    assert!(tokio::time::timeout(SHORT, slow.deliver(&order())).await.is_err());
    Http::new(HttpOptions::new(good.url())).in_pool(&pool).deliver(&order()).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::start(|mut stream| async move {
        while !read_request(&mut stream).await.is_empty() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    // A request of one packet, so that the simple server sees it whole.
    let options = HttpOptions::new(server.url()).with_mode(dispatch_adapters::http::CloudEventsMode::None);
    let http = Http::new(options);
    for _ in 0..5 {
        http.deliver(&dispatch_core::Envelope::empty("Ping")).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_pool_that_is_named_must_be_handed_over() {
    let mut options = HttpOptions::new("http://h.example/");
    options.shared_pool = Some("partners".to_owned());
    let expected =
        "ITEM_NOT_REGISTERED: shared_pool is 'partners': hand over the pool of that name with in_pool()";
    assert_eq!(problems(&Http::new(options.clone())), expected);
    assert_eq!(problems(&Http::new(options.clone()).in_pool(&pool(1))), expected);
    let named = HttpPool::new(PoolOptions { name: "partners".to_owned(), ..PoolOptions::default() });
    assert!(Http::new(options).in_pool(&named).validate().is_ok());
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_idle_time() {
    let (closed, mut is_closed) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let closed = closed.clone();
        async move {
            while !read_request(&mut stream).await.is_empty() {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let pool = PoolOptions { idle_timeout: SHORT, ..PoolOptions::default() };
    let options = HttpOptions::new(server.url()).with_mode(dispatch_adapters::http::CloudEventsMode::None);
    for adapter in both(options.with_pool(pool)) {
        let before = server.connections();
        for times in 1..=2 {
            adapter.deliver(&dispatch_core::Envelope::empty("Ping")).await.unwrap();
            assert_eq!(server.connections(), before + times);
            // Well before the 90 s of the default.
            tokio::time::timeout(LONG, is_closed.recv()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn making_a_connection_has_a_time_of_its_own() {
    // It takes the connection, and never answers the handshake of TLS.
    let server = Server::start(hold).await;
    let pool = PoolOptions { connect_timeout: SHORT, ..PoolOptions::default() };
    let url = format!("https://127.0.0.1:{}/", server.port);
    for adapter in both(HttpOptions::new(url).with_timeout(3 * LONG).with_pool(pool)) {
        let started = std::time::Instant::now();
        let error = adapter.deliver(&order()).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Retry);
        assert!(matches!(cause(&error), HttpError::Connect { .. }), "{error:?}");
        assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
    }
}
