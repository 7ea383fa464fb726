//! Servers that do not do as they should.

use std::time::Instant;

use dispatch_adapters::http::{HttpError, HttpOptions};
use dispatch_core::DeliveryErrorKind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::server::{Server, hold, read_request};
use super::{LONG, SHORT, both, cause, order, refused, timed_out};

#[tokio::test]
async fn no_answer_is_a_timeout_that_may_be_tried_again() {
    let server = Server::start(hold).await;
    let started = Instant::now();
    let error = timed_out(&server.url()).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::Timeout { limit, .. } if *limit == SHORT), "{error}");
    assert!(started.elapsed() < LONG);
}

#[tokio::test]
async fn headers_that_trickle_in_do_not_stretch_the_timeout() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        let mut slowly = tokio::time::interval(SHORT / 8);
        for piece in "HTTP/1.1 200 OK\r\nx-very-long-header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".bytes() {
            slowly.tick().await;
            if stream.write_all(&[piece]).await.is_err() {
                return;
            }
        }
        hold(stream).await;
    })
    .await;
    let error = timed_out(&server.url()).await;
    assert!(matches!(cause(&error), HttpError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_may_be_tried_again() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        stream.shutdown().await.unwrap();
        hold(stream).await;
    })
    .await;
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_reset_may_be_tried_again() {
    // Closing while there is something left to read sends a reset.
    let server = Server::start(|stream| async move { stream.readable().await.unwrap() }).await;
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_may_be_tried_again() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = refused(&format!("http://127.0.0.1:{port}/a?key=s3cret")).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::Connect { .. }), "{error}");
    let start = format!("cannot connect to http://127.0.0.1:{port}/a: Connection refused");
    assert!(error.message().starts_with(&start), "{error}");
}

#[tokio::test]
async fn what_is_not_http_may_be_tried_again() {
    let server = Server::writing("220 mail.example ESMTP\r\n").await;
    let error = refused(&server.url()).await;
    assert_eq!(error.kind(), DeliveryErrorKind::Retry);
    assert!(matches!(cause(&error), HttpError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    for adapter in both(HttpOptions::new(server.url()).with_timeout(LONG)) {
        let started = Instant::now();
        let receipt = adapter.deliver(&order()).await.unwrap();
        assert_eq!(receipt.answer.unwrap().body.len(), 65_536);
        assert!(started.elapsed() < LONG);
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_left_at_the_timeout() {
    let server = Server::writing("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    for adapter in both(HttpOptions::new(server.url()).with_timeout(10 * SHORT)) {
        let receipt = adapter.deliver(&order()).await.unwrap();
        assert_eq!(&receipt.answer.unwrap().body[..], b"half");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_counts() {
    let server = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    })
    .await;
    for adapter in both(HttpOptions::new(server.url())) {
        let receipt = adapter.deliver(&order()).await.unwrap();
        assert_eq!(receipt.answer.unwrap().status, Some(200));
    }
}

#[tokio::test]
async fn a_failed_delivery_leaves_the_adapter_usable() {
    let server = Server::start(|mut stream| async move {
        let request = read_request(&mut stream).await;
        if request.contains("x-good") {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        }
        hold(stream).await;
    })
    .await;
    let options = HttpOptions::new(server.url()).with_timeout(10 * SHORT);
    for adapter in both(options.with_mode(dispatch_adapters::http::CloudEventsMode::None)) {
        for _ in 0..2 {
            assert!(adapter.deliver(&order()).await.is_err());
            // Dropped half-way.
            let _ = tokio::time::timeout(SHORT / 8, adapter.deliver(&order())).await;
        }
        adapter.deliver(&order().with_header("x-good", "1")).await.unwrap();
    }
}
