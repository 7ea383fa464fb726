//! Secrets in every option that may hold one, of every adapter, and nothing that shows them.
//!
//! Alone in its program: what the client libraries log goes to one place for all threads.
#![allow(clippy::unwrap_used, clippy::string_slice, reason = "this is how a test fails")]

mod servers;

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use dispatch_adapters::config::{AdapterRegistry, Fields};
use dispatch_adapters::http::HttpOptions;
use dispatch_adapters::metrics::{DeliveryRecorder, prometheus};
use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::WebhookOptions;
use dispatch_adapters::{DeadLetters, Delivery, NoopAdapter};
use tracing_subscriber::fmt::MakeWriter;

use self::servers::Servers;

/// Everything that was logged, and every dead letter, as text.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>);

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Seen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl log::Log for Seen {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

#[async_trait::async_trait]
impl Adapter for Seen {
    fn name(&self) -> &str {
        "seen"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        writeln!(self.0.lock().unwrap(), "{}", serde_json::to_string(envelope).unwrap()).unwrap();
        Ok(Receipt::taken())
    }
}

/// Secrets in files, by the names under which a configuration may name them.
fn secrets(folder: &std::path::Path, servers: &Servers) -> Vec<String> {
    let mut all = Vec::new();
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    for name in ["signing", "old", "header", "kafka"] {
        put(name, &format!("hunter-{name}"));
        all.push(format!("hunter-{name}"));
    }
    for scheme in ["http", "nats", "redis", "amqp", "mqtt", "postgres"] {
        // What may follow the server is a matter of the client.
        let rest = match scheme {
            "http" => "/hunter-path?token=hunter-query",
            "redis" => "/0",
            "postgres" => "/db",
            _ => "",
        };
        // The name of a user is not secret, and the client of NATS logs it.
        let user = if scheme == "nats" { "app" } else { "hunter-user" };
        put(scheme, &format!("{scheme}://{user}:hunter-{scheme}@{}{rest}", servers.place(scheme)));
        all.push(format!("hunter-{scheme}"));
    }
    put("webhook", &format!("http://hunter-user:hunter-http@{}/?token=hunter-query", servers.place("http")));
    all.extend(["hunter-user", "hunter-path", "hunter-query"].map(str::to_owned));
    all
}

/// Everything that a secret may look like in a text.
fn spellings(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let decimal = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>();
    let mut all = vec![secret.to_owned(), hex.to_uppercase(), hex, decimal.join(", "), decimal.join(",\n")];
    // In the middle of something else, its first and last letters depend on what stands beside it.
    for before in 0..3 {
        let text = base64([&vec![b'x'; before], secret.as_bytes()].concat().as_slice());
        let first = (before * 8).div_ceil(6);
        let last = (before + secret.len()) * 8 / 6;
        all.push(text[first..last].to_owned());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        let number = number << (8 * (3 - part.len()));
        text.extend((0..=part.len()).map(|at| char::from(LETTERS[(number >> (18 - 6 * at)) & 63])));
    }
    text
}

fn configuration(folder: &std::path::Path, servers: &Servers) -> String {
    let file = |name: &str| format!("file:{}", folder.join(name).display());
    let mut text = format!(
        r#"
        [[targets]]
        type = "http"
        url = "{http}"
        secret_headers = {{ authorization = "{header}" }}
        headers = {{ "x-plain" = "hunter-header" }}

        [[targets]]
        type = "http"
        name = "plain"
        url = "http://{place}/?token=hunter-query"

        [[targets]]
        type = "http"
        name = "login"
        url = "{webhook}"

        [[targets]]
        type = "webhook"
        urls = ["{http}", "{webhook}"]
        secrets = ["{signing}", "{old}"]
        secret_headers = {{ authorization = "{header}" }}
        pool = {{ guard = {{ enabled = false }} }}

        [[targets]]
        type = "file"
        path = "/dev/full"

        [[targets]]
        type = "console"
        stream = "stderr"

        [[targets]]
        type = "logger"
        "#,
        http = file("http"),
        webhook = file("webhook"),
        place = servers.place("http"),
        header = file("header"),
        signing = file("signing"),
        old = file("old"),
    );
    let mut broker = |kind: &str, options: &str| {
        writeln!(text, "[[targets]]\ntype = '{kind}'\ntimeout_ms = 1000\n{options}").unwrap();
    };
    if cfg!(feature = "nats") {
        broker("nats", &format!("url = '{}'\nsubject = 's'", file("nats")));
    }
    if cfg!(feature = "redis") {
        broker("redis", &format!("url = '{}'\nkey = 'c'", file("redis")));
    }
    if cfg!(feature = "amqp") {
        broker("amqp", &format!("url = '{}'\nrouting_key = 'k'", file("amqp")));
    }
    if cfg!(feature = "mqtt") {
        broker("mqtt", &format!("url = '{}'\ntopic = 't'", file("mqtt")));
    }
    if cfg!(feature = "postgres") {
        broker("postgres", &format!("url = '{}'\nchannel = 'c'", file("postgres")));
    }
    if cfg!(feature = "kafka") {
        let options = format!(
            "brokers = ['{}']\ntopic = 't'\n[targets.properties]\n'sasl.password' = '{}'\n\
             'sasl.username' = 'hunter-user'\n'sasl.mechanism' = 'PLAIN'\n\
             'security.protocol' = 'sasl_plaintext'\n'debug' = 'all'\n",
            servers.place("kafka"),
            file("kafka"),
        );
        broker("kafka", &options);
    }
    text
}

/// Options of every adapter that may hold a secret, with one in each, as they show themselves.
fn options() -> String {
    let mut text = String::new();
    let mut show = |options: &dyn Shown| text.push_str(&options.shown());
    let secret = || Secret::new("hunter-signing").unwrap();
    let url = |scheme: &str| {
        format!("{scheme}://hunter-user:hunter-{scheme}@h.example/p?token=hunter-query#hunter-query")
    };
    show(
        &HttpOptions::new(url("http"))
            .with_header("x-plain", "hunter-header")
            .with_secret_header("authorization", secret()),
    );
    show(
        &WebhookOptions::new(url("http"), secret())
            .with_url("hunter-http")
            .with_old_secret(secret())
            .with_header("x-plain", "hunter-header"),
    );
    #[cfg(feature = "amqp")]
    show(&dispatch_adapters::amqp::AmqpOptions { url: url("amqp").into(), ..Default::default() });
    #[cfg(feature = "mqtt")]
    show(&dispatch_adapters::mqtt::MqttOptions { url: url("mqtt").into(), ..Default::default() });
    #[cfg(feature = "nats")]
    show(&dispatch_adapters::nats::NatsOptions { url: url("nats").into(), ..Default::default() });
    #[cfg(feature = "postgres")]
    show(&dispatch_adapters::postgres::PostgresOptions { url: url("postgres").into(), ..Default::default() });
    #[cfg(feature = "redis")]
    show(&dispatch_adapters::redis::RedisOptions { url: url("redis").into(), ..Default::default() });
    #[cfg(feature = "kafka")]
    show(&dispatch_adapters::kafka::KafkaOptions {
        properties: [("sasl.password", "hunter-kafka")].into_iter().collect(),
        ..Default::default()
    });
    text
}

/// What shows itself in two ways.
trait Shown {
    fn shown(&self) -> String;
}

impl<T: serde::Serialize + std::fmt::Debug> Shown for T {
    fn shown(&self) -> String {
        format!("{self:?} {self:#?} {}\n", serde_json::to_string(self).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_every_option_of_every_adapter_is_shown_by_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start().await;
    let secrets = secrets(folder.path(), &servers);
    let seen = Seen::default();
    log::set_boxed_logger(Box::new(seen.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(seen.clone())
        .finish();
    // For all threads: clients have some of their own.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let say = |text: String| writeln!(seen.0.lock().unwrap(), "{text}").unwrap();

    say(options());
    let mut registry = AdapterRegistry::with_built_in();
    let own = seen.clone();
    let make = move |fields: &mut Fields<'_>| {
        // In the middle of reading, with one option of the wrong type.
        let _: (String, u8) = (fields.required("token"), fields.or("port", 1));
        writeln!(own.0.lock().unwrap(), "{fields:?} {fields:#?}").unwrap();
        NoopAdapter::new()
    };
    registry.register("own", make).unwrap();
    let refused =
        registry.read_toml("[[targets]]\ntype = 'own'\ntoken = 'hunter-query'\nport = 'hunter-query'");
    say(format!("{:?}", refused.unwrap_err()));
    let targets = registry.read_toml(&configuration(folder.path(), &servers)).unwrap();
    say(format!("{targets:?}"));
    let recorder = DeliveryRecorder::new();
    let letters = DeadLetters::to([seen.clone()]).unwrap();
    for target in &targets {
        // Once by itself, and once under policies that talk.
        let bare = target.adapter.deliver(&Envelope::empty("Note")).await;
        if let Err(error) = &bare {
            let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
            say(causes.map(|cause| format!("{cause} {cause:?}\n")).collect());
        }
        let retry = RetryPolicy::default().with_max_retries(1).with_base(std::time::Duration::from_millis(1));
        let delivery = Delivery::to(Arc::clone(&target.adapter))
            .retry(retry)
            .circuit_breaker(BreakerConfig { failure_threshold: 2, ..BreakerConfig::default() })
            .max_held(0)
            .dead_letters(&letters)
            .metrics(&recorder)
            .start()
            .unwrap();
        say(format!("{:?}", delivery.deliver(&Envelope::empty("Note")).await));
        say(format!("{delivery:?} {:?} {:?}", delivery.labels(), delivery.health().await));
    }
    assert!(letters.close(std::time::Duration::from_secs(5)).await.is_complete());
    let metrics = recorder.snapshot();
    say(format!("{} {}", serde_json::to_string(&metrics).unwrap(), prometheus::render([&metrics]).unwrap()));

    for (kind, is_built) in [
        ("amqp", cfg!(feature = "amqp")),
        ("kafka", cfg!(feature = "kafka")),
        ("mqtt", cfg!(feature = "mqtt")),
        ("nats", cfg!(feature = "nats")),
        ("postgres", cfg!(feature = "postgres")),
        ("redis", cfg!(feature = "redis")),
    ] {
        assert!(!is_built || servers.has_heard(kind, &format!("hunter-{kind}")), "no login at {kind}");
    }
    for said in ["hunter-header", "hunter-path?token=hunter-query", &base64(b"hunter-user:hunter-http")] {
        assert!(servers.has_heard("http", said), "'{said}' was not sent");
    }

    let shown = seen.0.lock().unwrap().clone();
    let mut expected = vec![
        "h.example",
        "option 'port'",
        "Fields {",
        "attempt failed",
        "delivery failed for good",
        "dispatch_delivery_",
        "x-dead-letter",
    ];
    if cfg!(feature = "amqp") {
        // On a thread of the client.
        expected.push("will write to buffer");
    }
    if cfg!(feature = "nats") {
        expected.push("write operation: CONNECT");
    }
    for expected in expected {
        assert!(shown.contains(expected), "'{expected}' was looked at");
    }
    for secret in secrets {
        for spelling in spellings(&secret) {
            let at = shown.find(&spelling);
            let around = at.map(|at| {
                let (from, to) = (at.saturating_sub(300), (at + 100).min(shown.len()));
                String::from_utf8_lossy(&shown.as_bytes()[from..to]).into_owned()
            });
            assert!(at.is_none(), "{secret} is shown as {spelling}: … {} …", around.unwrap_or_default());
        }
    }
}
