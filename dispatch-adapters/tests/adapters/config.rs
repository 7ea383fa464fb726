use std::time::Duration;

use actix::prelude::*;
use dispatch_adapters::config::{AdapterRegistry, Fields, TargetConfig};
use dispatch_adapters::console::{Colours, ConsoleFormat, ConsoleOptions, ConsoleStream};
use dispatch_adapters::file::{FileOptions, FlushPolicy, Rotation};
use dispatch_adapters::http::{AddressGuard, HttpPool, PoolOptions};
use dispatch_adapters::logger::{LogLevel, LoggerOptions};
use dispatch_adapters::model::policy::{Backoff, BatchPolicy, BreakerConfig, Jitter, RateLimit, RetryPolicy};
use dispatch_adapters::model::{Adapter, Envelope};
use dispatch_adapters::named::{NamedAdapters, NamedOptions};
use dispatch_adapters::noop::NoopOptions;
use dispatch_adapters::pubsub::{PubSub, PubSubOptions};
use dispatch_adapters::{NoopAdapter, Targets, testing};
use serde_json::json;

use crate::actor::Keeper;
use crate::support::{Memory, envelope, topic};

const ALL: &str = r#"
[[targets]]
type = "file"
name = "archive"
path = "/var/lib/shop/events.jsonl"
flush = "disk"
rotate = { max_bytes = 1_000_000, keep = 3 }
async = true
timeout_ms = 2_000
max_in_flight = 4

[targets.retry]
kind = "linear"
max_retries = 7
jitter = "none"
budget = false

[targets.circuit_breaker]
failure_threshold = 9

[targets.rate_limit]
events = 10
burst = 2

[targets.key_rate_limit]
events = 1
per_ms = 60_000

[targets.batch]
max_size = 50

[[targets.dead_letters]]
type = "console"
stream = "stderr"

[[targets]]
type = "noop"
"#;

#[test]
fn everything_is_read() {
    let targets = AdapterRegistry::with_built_in().read_toml(ALL).unwrap();
    let config = &targets[0].config;
    assert_eq!((config.kind.as_str(), config.name.as_str()), ("file", "archive"));
    assert_eq!(
        (config.async_, config.timeout, config.max_in_flight),
        (true, Duration::from_secs(2), Some(4))
    );
    let retry = config.retry.as_ref().unwrap();
    assert_eq!((retry.max_retries, retry.jitter, retry.budget), (7, Jitter::None, None));
    assert_eq!(config.circuit_breaker.unwrap().failure_threshold, 9);
    assert_eq!(config.rate_limit, Some(RateLimit::per_second(10).with_burst(2)));
    assert_eq!(config.key_rate_limit.unwrap().per, Duration::from_secs(60));
    assert_eq!(config.batch.unwrap().max_size, 50);
    assert_eq!(targets[0].dead_letters[0].adapter.name(), "console");
    assert_eq!(targets[1].config, TargetConfig::new("noop"));
}

#[test]
fn every_problem_is_said_at_once() {
    let error = AdapterRegistry::with_built_in()
        .read_toml(
            r#"
            [[targets]]
            type = "file"
            name = "archive"
            flush = "dsk"
            rotate = { max_bytes = -1, kep = 3 }
            timeut_ms = 5
            async = "yes"
            max_in_flight = 0
            retry = { kind = "explicit", cap_ms = 10, jiter = "full" }
            circuit_breaker = { failure_threshold = 100_000 }
            rate_limit = { burst = 0 }
            batch = { max_size = 0 }

            [[targets.dead_letters]]
            type = "consol"

            [[targets.dead_letters]]
            type = "noop"
            dead_letters = [{ type = "noop" }]

            [[targets]]
            level = "inof"

            [[targets]]
            type = "logger"
            level = "inof"
            template = "$typ"
            include_data = 1

            [[targets]]
            type = "named"
            "#,
        )
        .unwrap_err();
    // Which types are known depends on the features.
    let text = error
        .to_string()
        .replace(&AdapterRegistry::with_built_in().kinds().collect::<Vec<_>>().join(", "), "…");
    insta::assert_snapshot!(text);
}

#[test]
fn a_bad_text_is_refused_by_line_and_shows_no_value() {
    let registry = AdapterRegistry::with_built_in();
    let error = registry.read_toml("[[targets]]\ntype = 'noop'\nkey = hunter2").unwrap_err();
    assert_eq!(error.to_string(), "configuration refused: line 3 is not valid TOML");
    let error = registry.read_json("{\"targets\": [\n{\"type\": hunter2}]}").unwrap_err();
    assert_eq!(error.to_string(), "configuration refused: line 2 is not valid JSON");
}

#[test]
fn no_problem_shows_a_value() {
    let value = json!({ "targets": [
        { "type": "logger", "level": "hunter2", "metadata": "hunter2", "include_data": "hunter2",
          "retry": "hunter2", "timeout_ms": "hunter2", "async": "hunter2" },
        { "type": "pubsub", "topic": "hunter2 hunter2" },
        "hunter2",
    ] });
    let registry = AdapterRegistry::with_built_in().with_pubsub(PubSub::default());
    let error = registry.read_value(&value).unwrap_err();
    assert_eq!(error.problems().len(), 8, "{error}");
    assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error}");
    let config = TargetConfig::new("x").with_option("token", "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn targets_in_code_are_checked_like_those_in_a_text() {
    let registry = AdapterRegistry::with_built_in();
    let mut config = TargetConfig::new("logger").with_option("levl", "info");
    config.timeout = Duration::ZERO;
    let problems: Vec<_> = registry.check(&config).iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "INVALID_CONFIGURATION: target 'logger': option 'levl' is unknown: did you mean 'level'?",
            "INVALID_PARAMETER: target 'logger': timeout_ms is 0: use 1 to 3600000",
        ]
    );
    assert!(registry.build(&TargetConfig::new("logger")).is_ok());
    assert!(registry.build(&TargetConfig::new(" ")).is_err());
}

#[test]
fn a_type_is_registered_once() {
    let mut registry = AdapterRegistry::with_built_in();
    assert!(registry.register("noop", |_| NoopAdapter::new()).is_err());
    assert!(registry.register(" ", |_| NoopAdapter::new()).is_err());
    registry.register("void", |_| NoopAdapter::new()).unwrap();
    let kinds: Vec<_> = registry.kinds().collect();
    assert!(
        kinds.is_sorted() && ["file", "void", "webhook"].iter().all(|kind| kinds.contains(kind)),
        "{kinds:?}"
    );
}

#[test]
fn what_lives_in_the_program_is_handed_in() {
    testing::run(async {
        let (names, memory, noop) = (NamedAdapters::new(), Memory::default(), NoopAdapter::new());
        names.register("billing", noop.clone());
        let eu = PubSub::new("eu");
        let registry = AdapterRegistry::with_built_in()
            .with_named(names)
            .with_pubsub(PubSub::default())
            .with_pubsub(eu.clone())
            .with_actor(Keeper::new(memory.clone()).start().recipient());
        let targets = registry
            .read_json(
                r#"{"targets": [
                    {"type": "named", "to": "billing"},
                    {"type": "pubsub", "topic": "shop.events", "instance": "eu"},
                    {"type": "actor", "timeout_ms": 100}
                ]}"#,
            )
            .unwrap();
        for target in &targets {
            target.adapter.deliver(&envelope("A")).await.unwrap();
        }
        assert_eq!((noop.count(), eu.counts().published, memory.envelopes().len()), (1, 1, 1));
        let start = tokio::time::Instant::now();
        assert!(targets[2].adapter.deliver(&envelope("Hang")).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_millis(100));
        let error = registry.read_json(r#"{"targets": [{"type": "pubsub", "instance": "us"}]}"#).unwrap_err();
        assert_eq!(error.problems().len(), 2, "{error}");
    });
}

/// What serde writes, read field by field: no field is forgotten on either side.
fn both_ways<T: serde::Serialize + PartialEq + std::fmt::Debug>(
    options: &T,
    read: impl Fn(&mut Fields<'_>) -> T,
) {
    let value = serde_json::to_value(options).unwrap();
    let mut fields = Fields::new("", value.as_object().unwrap());
    assert_eq!(&read(&mut fields), options);
    assert_eq!(fields.finish(), []);
}

#[test]
fn options_and_policies_read_what_serde_writes() {
    both_ways(&NoopOptions::default(), NoopOptions::read);
    both_ways(&NamedOptions::to("billing"), NamedOptions::read);
    let pubsub = PubSubOptions { local: true, ..PubSubOptions::on(topic("a.b")) };
    both_ways(&pubsub, PubSubOptions::read);
    let console = ConsoleOptions {
        stream: ConsoleStream::Stderr,
        format: ConsoleFormat::Pretty,
        colours: Colours::Never,
    };
    both_ways(&console, ConsoleOptions::read);
    let logger = LoggerOptions {
        level: LogLevel::Error,
        template: "$id".into(),
        metadata: vec!["a".into()],
        include_data: true,
    };
    both_ways(&logger, LoggerOptions::read);
    let file = FileOptions {
        flush: FlushPolicy::Disk,
        rotate: Some(Rotation { max_bytes: 2048, keep: 1 }),
        ..FileOptions::at("/x/y")
    };
    both_ways(&file, FileOptions::read);

    let mut wanted = TargetConfig::new("noop");
    let explicit = RetryPolicy {
        backoff: Backoff::Explicit,
        schedule_ms: vec![1, 2],
        give_up_after: Some(Duration::from_secs(9)),
        budget: None,
        ..RetryPolicy::default()
    };
    wanted.retry = Some(explicit);
    wanted.circuit_breaker = Some(BreakerConfig { success_threshold: 2, ..BreakerConfig::default() });
    wanted.rate_limit = Some(RateLimit::per_second(3).with_burst(4));
    wanted.batch = Some(BatchPolicy { max_size: 3, ..BatchPolicy::default() });
    let table = json!({
        "type": "noop",
        "retry": wanted.retry,
        "circuit_breaker": wanted.circuit_breaker,
        "rate_limit": wanted.rate_limit,
        "batch": wanted.batch,
    });
    assert_eq!(TargetConfig::from_value(&table).unwrap(), wanted);
    assert_eq!(TargetConfig::from_json(&table.to_string()).unwrap(), wanted);
    assert_eq!(TargetConfig::from_toml("type = 'noop'").unwrap(), TargetConfig::new("noop"));
    assert_eq!(TargetConfig::from_toml("timeout_ms = 0").unwrap_err().problems().len(), 2);
}

#[test]
fn a_webhook_is_built_from_a_configuration_that_holds_no_secret() {
    let registry = AdapterRegistry::with_built_in().with_pool(&HttpPool::new(PoolOptions {
        name: "partners".to_owned(),
        guard: Some(AddressGuard::on()),
        ..PoolOptions::default()
    }));
    let targets = registry
        .read_toml(
            r#"
            [[targets]]
            type = "webhook"
            name = "partner"
            urls = ["https://example.com/hook?token=hunter3"]
            secrets = ["env:CARGO_PKG_NAME"]
            scheme = "stripe"
            shared_pool = "partners"
            events = { OrderPlaced = "order.placed" }
            secret_headers = { authorization = "env:CARGO_PKG_VERSION" }
            retry = { max_retries = 5 }

            [[targets]]
            type = "http"
            url = "https://example.com/in"
            compression = "gzip"
            pool = { size = 3, guard = { allow = ["10.0.0.0/8"] } }
            "#,
        )
        .unwrap();
    let shown = format!("{targets:?}");
    assert!(!shown.contains("hunter") && !shown.contains(env!("CARGO_PKG_VERSION")), "{shown}");
    assert_eq!(targets[0].adapter.name(), "webhook");
}

#[test]
fn every_problem_of_a_webhook_is_said_at_once_and_none_shows_a_secret() {
    let error = AdapterRegistry::with_built_in()
        .read_toml(
            r#"
            [[targets]]
            type = "webhook"
            urls = ["ftp://example.com", "http://10.0.0.1/"]
            secrets = ["whsec_hunter2", "env:DISPATCH_NO_SUCH_VARIABLE"]
            schem = "stripe"
            method = "PO ST"
            headers = { "x-a" = "b\r\nx-c: d" }
            secret_headers = { authorization = "hunter3" }
            timeout_ms = 61_000
            cloud_events = "batched"
            shared_pool = "partners"

            [[targets]]
            type = "http"
            pool = { size = 0, guard = { allow = ["10.0.0.1/8"] } }
            "#,
        )
        .unwrap_err();
    assert!(!error.to_string().contains("hunter"), "{error}");
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn a_target_starts_under_the_policies_it_was_read_with() {
    let ready = AdapterRegistry::with_built_in()
        .read_json(
            r#"{"targets": [
                {"type": "noop", "name": "a", "circuit_breaker": {}, "dead_letters": [{"type": "noop"}]},
                {"type": "noop", "name": "b", "async": true, "queue": 5, "max_held": 0,
                 "fallback": {"type": "noop", "name": "second"}}
            ]}"#,
        )
        .unwrap();
    let targets = Targets::start(&ready).unwrap();
    assert!(
        targets.list()[0].delivery().breaker().is_some() && targets.list()[1].delivery().breaker().is_none()
    );
    let outcomes = targets.deliver_each(&Envelope::empty("Note")).await;
    let queued: Vec<_> = outcomes.iter().map(|outcome| outcome.result.as_ref().unwrap().queued).collect();
    assert_eq!(queued, [false, true]);
}

#[cfg(all(feature = "nats", feature = "redis", feature = "kafka"))]
#[test]
fn every_problem_of_a_broker_is_said_at_once() {
    let error = AdapterRegistry::with_built_in()
        .read_toml(
            r#"
            [[targets]]
            type = "nats"
            url = "http://hunter-user:hunter-word@h"
            subjekt = "a"
            jetstream = "yes"
            max_bytes = 0

            [[targets]]
            type = "redis"
            mode = "steam"

            [[targets]]
            type = "kafka"
            brokers = "h:1"

            [[targets]]
            type = "redis"
            name = "safe"
            url = "rediss://h"
            tls = { verify = false, hunter = 1 }

            [[targets]]
            type = "redis"
            name = "rootless"
            url = "rediss://h"
            tls = { system_roots = false, roots = ["/no/such.pem"] }
            "#,
        )
        .unwrap_err();
    assert!(!error.to_string().contains("hunter"), "{error}");
    insta::assert_snapshot!(error);
}
