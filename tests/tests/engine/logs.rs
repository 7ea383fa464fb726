//! What an engine says in its logs, and what it never says.

use std::time::Duration;

use dispatch_actors::{EngineBuilder, Interceptor, Verdict, on_event};
use dispatch_core::{Category, DispatchResult, Envelope, TraceContext};
use dispatch_tests::support::{Act, Logs, Puppet, builder, empty, in_real_time, paused};
use serde_json::json;
use tracing::Level;
use uuid::Uuid;

use crate::{TOPIC, to};

/// An engine that logs into a subscriber of its own.
fn logging(logs: &Logs) -> EngineBuilder {
    builder().name("shop").subscriber(tracing::Dispatch::new(logs.clone()))
}

#[test]
fn a_dispatch_has_a_span_each_dispatcher_a_child_and_both_say_what_happened() {
    paused(async {
        let logs = Logs::new();
        let engine = logging(&logs)
            .dispatcher(on_event("a").run(|_: Envelope| async { tracing::info!("from inside") }))
            .dispatcher(on_event("b").run(|_: Envelope| Act::ok().after(5).run()))
            .routes(["a", "b"].map(to))
            .freeze()
            .unwrap();
        let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let envelope = empty().with_correlation_id(Uuid::from_u128(7)).with_trace(trace);
        engine.dispatch(TOPIC, envelope).await.unwrap();

        let started = logs.one("dispatch started");
        assert_eq!((started.level, started.span_names()), (Level::INFO, vec!["dispatch"]));
        for (field, value) in [
            ("engine", "shop"),
            ("topic", TOPIC),
            ("category", "event"),
            ("message_type", "empty"),
            ("correlation_id", "00000000-0000-0000-0000-000000000007"),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
            ("dispatcher_count", "2"),
        ] {
            assert_eq!(started.get(field), Some(value), "{field}");
        }
        let decision = logs.one("routing decision");
        assert_eq!(decision.level, Level::DEBUG);
        assert!(decision.get("dispatcher_ids").unwrap().contains("\"a\", \"b\""), "{decision:?}");

        let executed = logs.of("dispatcher executed");
        assert_eq!(
            executed.iter().map(|entry| entry.get("dispatcher_id").unwrap()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        for entry in &executed {
            assert_eq!((entry.level, entry.span_names()), (Level::DEBUG, vec!["dispatcher", "dispatch"]));
            assert!(entry.get("duration_ms").is_some());
        }
        assert_eq!(logs.one("from inside").get("dispatcher_id"), Some("a"));

        let completed = logs.one("dispatch completed");
        assert_eq!((completed.level, completed.span_names()), (Level::INFO, vec!["dispatch"]));
        assert_eq!(completed.get("dispatcher_count"), Some("2"));
        assert!(completed.get("duration_ms").unwrap().parse::<f64>().unwrap() >= 5.0);
    });
}

#[test]
fn what_goes_wrong_is_said_once_at_its_level_with_its_code() {
    paused(async {
        let logs = Logs::new();
        let engine = logging(&logs)
            .configure(|config| config.timeout = Duration::from_millis(50))
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .freeze()
            .unwrap();
        engine.dispatch(TOPIC, Act::Fail("boom".into()).envelope()).await.unwrap();
        let failed = logs.one("dispatcher failed");
        assert_eq!(
            (failed.level, failed.get("error"), failed.get("dispatcher_id")),
            (Level::ERROR, Some("IoError: boom"), Some("a"))
        );
        let failed = logs.one("dispatch failed");
        assert_eq!((failed.level, failed.get("error_code")), (Level::ERROR, Some("HANDLER_EXECUTION_ERROR")));
        assert!(failed.get("correlation_id").is_some());

        engine.dispatch(TOPIC, Act::Hang.envelope()).await.unwrap();
        assert_eq!(logs.of("dispatch failed")[1].get("error_code"), Some("TIMEOUT"));
        engine.dispatch("shop.nothing", empty()).await.unwrap();
        assert_eq!(logs.of("dispatch failed")[2].get("error_code"), Some("VALIDATION_ERROR"));

        engine.dispatch("shop.commands", empty()).await.unwrap();
        let missed = logs.one("no dispatcher");
        assert_eq!(
            (missed.level, missed.get("error_code"), missed.get("topic")),
            (Level::WARN, Some("ITEM_NOT_REGISTERED"), Some("shop.commands"))
        );
    });
}

#[test]
fn a_category_mismatch_is_a_warning_and_a_failed_dispatch_that_can_be_found_by_its_ids() {
    paused(async {
        let logs = Logs::new();
        let engine = logging(&logs).dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap();
        let envelope = empty().with_category(Category::Intent).with_correlation_id(Uuid::from_u128(7));
        engine.dispatch(TOPIC, envelope).await.unwrap();
        let warned = logs.one("category mismatch");
        assert_eq!((warned.level, warned.get("topic")), (Level::WARN, Some(TOPIC)));
        let failed = logs.one("dispatch failed");
        assert_eq!((failed.level, failed.get("error_code")), (Level::ERROR, Some("VALIDATION_ERROR")));
        assert_eq!(failed.get("correlation_id"), Some("00000000-0000-0000-0000-000000000007"));
    });
}

#[test]
fn a_slow_blocking_call_is_one_warning_with_id_and_duration() {
    in_real_time(async {
        let logs = Logs::new();
        let engine = logging(&logs)
            .configure(|config| config.blocking_warn = Duration::ZERO)
            .dispatcher(on_event("a").route_all().run_blocking(|_: Envelope| {}))
            .freeze()
            .unwrap();
        engine.dispatch(TOPIC, empty()).await.unwrap();
        let warned = logs.one("slow blocking dispatcher");
        assert_eq!((warned.level, warned.get("dispatcher_id")), (Level::WARN, Some("a")));
        assert!(warned.get("duration_ms").is_some());
    });
}

#[test]
fn a_dispatcher_that_no_route_reaches_is_named_when_the_engine_is_frozen() {
    paused(async {
        let logs = Logs::new();
        let _engine = logging(&logs)
            .dispatcher(on_event("forgotten").run(Act::obey))
            .dispatcher(on_event("reached").run(Act::obey))
            .dispatcher(on_event("all").route_all().run(Act::obey))
            .route(to("reached"))
            .freeze()
            .unwrap();
        let warned = logs.one("no route reaches this dispatcher");
        assert_eq!((warned.level, warned.get("dispatcher_id")), (Level::WARN, Some("forgotten")));
    });
}

#[test]
fn restarts_and_the_last_death_are_logged() {
    paused(async {
        let logs = Logs::new();
        let engine =
            logging(&logs).dispatcher(on_event("a").route_all().actor(Puppet::default)).freeze().unwrap();
        for _ in 0..4 {
            engine.dispatch(TOPIC, Act::Panic("boom".into()).envelope()).await.unwrap();
        }
        engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
        let restarts = logs.of("dispatcher died, restarting");
        assert_eq!(restarts.len(), 3);
        assert!(
            restarts
                .iter()
                .all(|entry| entry.level == Level::WARN && entry.get("dispatcher_id") == Some("a"))
        );
        assert_eq!(logs.one("dispatcher is down").level, Level::ERROR);
    });
}

struct Talkative;

impl Interceptor for Talkative {
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        match envelope.headers().get("door") {
            Some("skip") => Verdict::Skip("password s3cr3t was seen before".into()),
            Some("reject") => Verdict::Reject("password s3cr3t is weak".into()),
            _ => Verdict::Continue,
        }
    }

    fn after(&mut self, _: &DispatchResult) {
        panic!("password s3cr3t");
    }
}

#[test]
fn no_secret_reaches_a_log_a_result_or_a_metric() {
    paused(async {
        let logs = Logs::new();
        let mut said = Vec::new();
        let engine = logging(&logs)
            .configure(|config| config.sensitive_patterns = vec!["tenant-".into()])
            .interceptor(Talkative)
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .dispatcher(on_event("b").route_all().actor(Puppet::default))
            .freeze()
            .unwrap();
        let texts = [
            "password=s3cr3t",
            "Authorization: Bearer s3cr3t",
            "cannot reach postgres://s3cr3t/db",
            "https://s3cr3t@host/x",
            "Tenant-s3cr3t is unknown",
            &format!("{}token=s3cr3t", "x".repeat(600)),
        ];
        for text in texts {
            for act in
                [Act::Fail(text.to_owned()), Act::Panic(text.to_owned()), Act::Fail(text.to_owned()).after(3)]
            {
                said.push(json!(engine.dispatch(TOPIC, act.envelope()).await.unwrap()).to_string());
            }
        }
        let loaded = || {
            Envelope::json("T", json!({"password": "s3cr3t"}))
                .with_header("authorization", "s3cr3t")
                .with_metadata("k", "s3cr3t")
        };
        said.push(json!(engine.dispatch(TOPIC, loaded()).await.unwrap()).to_string());
        said.push(
            json!(engine.dispatch(TOPIC, loaded().with_header("door", "skip")).await.unwrap()).to_string(),
        );
        said.push(format!("{:?}", engine.dispatch(TOPIC, loaded().with_header("door", "reject")).await));
        said.push(json!(engine.metrics().await.unwrap()).to_string());
        said.push(format!("{:#?} {engine:?} {:?}", logs.entries(), loaded()));
        for text in said {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    });
}
