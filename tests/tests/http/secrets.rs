//! No secret is ever printed.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use dispatch_adapters::http::{Http, HttpOptions};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_core::{Adapter, Envelope};
use dispatch_tests::support::Logs;
use tracing::instrument::WithSubscriber;
use wiremock::ResponseTemplate;

use super::server::{Server, hold, read_request};
use super::{SHORT, answering, order, webhook::unguarded};

/// What must not be seen anywhere.
const SECRETS: [&str; 5] = ["S1-signing", "S2-header", "S3-query", "S4-userinfo", "S5-envelope"];

/// Everything that is said through the `log` crate, as the HTTP client does.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// The text of an error and of all it was made from.
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|cause| format!("{cause} {cause:?}\n")).collect()
}

#[tokio::test]
async fn not_by_debug_not_by_errors_not_by_logs() {
    let lines = Lines::default();
    log::set_boxed_logger(Box::new(lines.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let logs = Logs::new();

    let good = answering(ResponseTemplate::new(200)).await;
    let bad = answering(ResponseTemplate::new(500).set_body_string(SECRETS.concat())).await;
    let silent = Server::start(hold).await;
    let broken = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    let mut shown = String::new();
    let urls = [
        good.uri(),
        bad.uri(),
        silent.url(),
        broken.url(),
        "http://127.0.0.1:1/".to_owned(),
        "ftp://h/".to_owned(),
    ];
    async {
        for url in urls {
            let base = url.split('?').next().unwrap_or_default().replace("://", "://joe:S4-userinfo@");
            let url = format!("{base}?key=S3-query");
            let secret = |text: &str| Secret::new(text).unwrap();
            let envelope = order().with_header("x-private", "S5-envelope");
            let http = Http::new(
                HttpOptions::new(&url)
                    .with_timeout(SHORT)
                    .with_header("x-plain", "S2-header")
                    .with_secret_header("authorization-2", secret("S2-header")),
            );
            let options = WebhookOptions::new(&url, secret("S1-signing"))
                .with_old_secret(secret("whsec_S1-signing"))
                .with_timeout(SHORT)
                .with_header("x-plain", "S2-header");
            let hook = Webhook::new(
                WebhookOptions { pool: unguarded(), ..options }
                    .with_scheme(dispatch_adapters::webhook::Scheme::Hex),
            );
            for adapter in [&http as &dyn Adapter, &hook] {
                writeln!(shown, "{:?}", adapter.validate()).unwrap();
                match adapter.deliver(&envelope).await {
                    Ok(receipt) => writeln!(shown, "{receipt:?}").unwrap(),
                    Err(error) => writeln!(shown, "{}", whole(&error)).unwrap(),
                }
                writeln!(shown, "{:?}", adapter.health().await).unwrap();
            }
            writeln!(shown, "{http:?} {hook:?} {:?} {:?}", http.labels(), hook.labels()).unwrap();
            let options = WebhookOptions::new(&url, secret("S1-signing")).with_header("x-plain", "S2-header");
            writeln!(shown, "{options:?} {}", serde_json::to_string(&options).unwrap()).unwrap();
            let options = HttpOptions::new(&url).with_header("x-plain", "S2-header");
            writeln!(shown, "{options:?} {}", serde_json::to_string(&options).unwrap()).unwrap();
        }
    }
    .with_subscriber(logs.clone())
    .await;
    writeln!(shown, "{:?}", logs.entries()).unwrap();
    let logged = lines.0.lock().unwrap().clone();
    assert!(logged.contains("reqwest"), "the client's own log was read: {logged}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
    let answered = good.received_requests().await.unwrap();
    let sent: Envelope =
        Envelope::from_cloud_event(dispatch_core::CloudEvent::from_json(&answered[0].body).unwrap()).unwrap();
    assert_eq!(sent.headers().get("x-private"), Some("S5-envelope"), "it did travel");
}
