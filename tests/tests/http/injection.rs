//! Nothing that comes from outside can end a header and begin another.

use dispatch_adapters::http::{CloudEventsMode, Http, HttpError, HttpOptions};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::{Adapter, DeliveryErrorKind, Envelope};

use super::server::{Server, hold};
use super::{cause, order, problems};

const EVIL: [&str; 4] = ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"];

#[tokio::test]
async fn in_options_it_is_a_problem() {
    for evil in EVIL {
        for options in [
            HttpOptions::new("http://h.example/").with_header("x-a", evil),
            HttpOptions::new("http://h.example/").with_header(evil, "1"),
            HttpOptions::new("http://h.example/").with_secret_header("x-a", Secret::new(evil).unwrap()),
            HttpOptions::new(format!("http://h.example/{evil}")),
            HttpOptions::new("http://h.example/").with_method(evil),
        ] {
            let http = Http::new(options);
            let text = problems(&http);
            assert!(text.starts_with("INVALID_PARAMETER: ") && !text.contains('\n'), "{text:?}");
            let error = http.deliver(&order()).await.unwrap_err();
            assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
            assert!(matches!(cause(&error), HttpError::Options { .. }));
        }
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_not_for_options() {
    for name in ["Content-Length", "transfer-encoding", "Connection", "Content-Type", "Proxy-Authorization"] {
        let text = problems(&Http::new(HttpOptions::new("http://h.example/").with_header(name, "1")));
        assert!(text.ends_with("is set by the adapter: leave it out"), "{text}");
    }
}

#[tokio::test]
async fn in_an_envelope_it_is_a_permanent_error_and_nothing_is_sent() {
    let server = Server::start(hold).await;
    let plain = HttpOptions::new(server.url()).with_mode(CloudEventsMode::None);
    for evil in EVIL {
        for envelope in [
            order().with_header("x-a", evil),
            order().with_header(evil, "1"),
            Envelope::bytes("B", "x", format!("text/plain{evil}")),
        ] {
            let error = Http::new(plain.clone()).deliver(&envelope).await.unwrap_err();
            assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
            assert!(matches!(cause(&error), HttpError::Envelope { .. }), "{error}");
            assert!(!error.message().contains(['\r', '\n', '\0']), "{error:?}");
        }
        let options =
            WebhookOptions::new(server.url(), Secret::new("s").unwrap()).with_event_header("x-event");
        let hook = Webhook::new(WebhookOptions { pool: super::webhook::unguarded(), ..options });
        let error = hook.deliver(&Envelope::json(evil, 1.into())).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Permanent);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn in_a_binary_event_it_is_encoded() {
    let server = super::answering(wiremock::ResponseTemplate::new(200)).await;
    let http = Http::new(HttpOptions::new(server.uri()).with_mode(CloudEventsMode::Binary));
    http.deliver(&order().with_subject("a\r\nx-evil: 1").with_header("k\r\n", "\0")).await.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["ce-subject"], "a%0D%0Ax-evil:%201");
    assert!(!request.headers.contains_key("x-evil"));
}
