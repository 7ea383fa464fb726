//! Secrets that are written into a configuration.

use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::http::{Http, HttpOptions};
use dispatch_adapters::model::Adapter as _;
use serde_json::json;

#[test]
fn a_secret_that_is_written_plainly_is_refused_wherever_it_stands() {
    let registry = AdapterRegistry::with_built_in();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "https://user:hunter2@example.com/in").unwrap();
    let url = format!("file:{}", file.path().display());
    let error = registry
        .read_json(
            &json!({"targets": [
                {"type": "http", "name": "a", "url": "https://user:hunter2@example.com/in",
                 "headers": {"Authorization": "hunter2", "cookie": "hunter2", "x-fine": "b"}},
                {"type": "http", "name": "b", "url": "https://hunter2@example.com/in"},
                {"type": "http", "name": "c", "url": "https://example.com/in?token=not-refused"},
                {"type": "http", "name": "d", "url": url},
                {"type": "webhook", "name": "e", "urls": ["https://example.com/", "ftp://:hunter2@example.com/"],
                 "secrets": ["hunter2"], "secret_headers": {"authorization": "hunter2"},
                 "dead_letters": [{"type": "http", "name": "f", "url": "https://u:hunter2@example.com/"}]},
            ]})
            .to_string(),
        )
        .unwrap_err();
    insta::assert_snapshot!(error);
    assert!(!error.to_string().contains("hunter2"));

    // In code they may stand.
    let options =
        HttpOptions::new("https://user:hunter2@example.com/in").with_header("authorization", "hunter2");
    assert!(Http::new(options).validate().is_ok());
}

#[test]
#[cfg(all(
    feature = "amqp",
    feature = "kafka",
    feature = "mqtt",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
fn a_secret_of_a_broker_that_is_written_plainly_is_refused() {
    let registry = AdapterRegistry::with_built_in();
    let refused = |target: serde_json::Value| {
        let read = registry.read_json(&json!({ "targets": [target] }).to_string());
        let text = read.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!text.contains("hunter2"), "{text}");
        text.contains("is written plainly into the configuration")
    };
    for (kind, url, plain) in [
        ("amqp", "amqp://u:hunter2@h/%2f", true),
        ("amqp", "amqp://u@h/%2f", false),
        ("mqtt", "mqtt://u:hunter2@h", true),
        ("mqtt", "mqtt://u@h", false),
        ("nats", "nats://u:hunter2@h", true),
        // Alone, it is a token.
        ("nats", "nats://hunter2@h", true),
        ("nats", "nats://h", false),
        ("postgres", "postgres://u:hunter2@h/db", true),
        ("postgres", "postgres://u@h/db?password=hunter2", true),
        ("postgres", "postgres://u@h/db", false),
        ("redis", "redis://:hunter2@h/0", true),
        ("redis", "redis://h/0", false),
    ] {
        let mut target = json!({ "type": kind, "url": url });
        if kind == "redis" {
            target["key"] = json!("k");
        }
        assert_eq!(refused(target), plain, "{url}");
    }
    for (name, value, plain) in [
        ("sasl.password", "hunter2", true),
        ("sasl.password", "env:CARGO_PKG_NAME", false),
        ("ssl.key.password", "hunter2", true),
        ("ssl.key.pem", "hunter2", true),
        ("sasl.oauthbearer.client.secret", "hunter2", true),
        ("sasl.username", "u", false),
        ("linger.ms", "5", false),
    ] {
        assert_eq!(refused(json!({"type": "kafka", "properties": {name: value}})), plain, "{name}");
    }
}
