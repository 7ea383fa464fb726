use dispatch_adapters::logger::{LogLevel, LoggerAdapter, LoggerOptions};
use dispatch_adapters::model::{Adapter, Envelope};

use crate::support::{Paper, envelope};

async fn logged(options: LoggerOptions, envelope: &Envelope) -> String {
    let paper = Paper::default();
    let writer = paper.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    LoggerAdapter::new(options).deliver(envelope).await.unwrap();
    paper.text()
}

#[tokio::test]
async fn it_logs_at_its_level_with_its_fields() {
    let envelope = envelope("OrderPlaced").with_source("shop").with_metadata("tenant", "acme");
    let options = LoggerOptions {
        level: LogLevel::Warn,
        metadata: vec!["tenant".into(), "absent".into()],
        include_data: true,
        ..LoggerOptions::default()
    };
    let text = logged(options, &envelope).await;
    assert!(text.starts_with(" WARN dispatch::delivery: OrderPlaced from shop "), "{text}");
    for part in ["topic=\"shop.order.events\"", "tenant", "acme", "\\\"id\\\":7"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = logged(LoggerOptions::default(), &envelope).await;
    assert!(text.starts_with(" INFO") && !text.contains("data=") && !text.contains("acme"), "{text}");
}

#[tokio::test]
async fn what_looks_sensitive_is_not_logged() {
    let envelope = Envelope::json("T", serde_json::json!({ "password": "p-1" }))
        .with_metadata("api_key", "k-1")
        .with_source("a\nb");
    let options =
        LoggerOptions { metadata: vec!["api_key".into()], include_data: true, ..LoggerOptions::default() };
    let text = logged(options, &envelope).await;
    assert!(!text.contains("k-1") && !text.contains("p-1"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
