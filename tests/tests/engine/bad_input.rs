//! Input that nobody should send.

use std::time::{Duration, Instant};

use dispatch_actors::on_event;
use dispatch_core::{Category, DispatchStatus, Envelope, ErrorCode, Payload, Route, Topic};
use dispatch_tests::support::{Act, builder, empty, env_u64, paused};

use crate::{TOPIC, ids};

#[test]
fn topics_of_any_shape_are_answered_with_a_short_result() {
    paused(async {
        let engine =
            builder().dispatcher(on_event("a").route_all().run(|_: Envelope| async {})).freeze().unwrap();
        let topics = [
            "x".repeat(64 * 1024),
            "é".repeat(64 * 1024),
            "events.".repeat(10_000),
            vec!["events"; 10_000].join("."),
            ".".repeat(10_000),
            "a.events\0".to_owned(),
            "\0".to_owned(),
            "a.events\u{202e}\u{1f600}".repeat(100),
            "a.\u{2028}.events".to_owned(),
            String::new(),
        ];
        for topic in topics {
            let result = engine.dispatch(&topic, empty()).await.unwrap();
            assert_eq!(
                (result.status(), result.error_code()),
                (DispatchStatus::InvalidMessage, Some(ErrorCode::ValidationError))
            );
            assert!(serde_json::to_string(&result).unwrap().len() < 16 * 1024);
        }
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            (metrics.total_dispatches, metrics.failed_dispatches, metrics.topic_metrics.len()),
            (10, 10, 0)
        );
    });
}

#[test]
fn the_largest_topic_and_deepest_pattern_are_quick() {
    paused(async {
        let nested = vec!["**.a*a*b"; 32].join(".").replace(".**.a*a*b.**", ".**.a*a*b.*.**");
        let nested: String = nested.split('.').take(63).collect::<Vec<_>>().join(".");
        let engine = builder()
            .dispatcher(on_event("a").run(|_: Envelope| async {}))
            .route(Route::new("r", nested, Category::Event, "a"))
            .freeze()
            .unwrap();
        let topic = format!("{}.events", vec!["a".repeat(15); 63].join("."));
        assert_eq!(Topic::new(&topic).unwrap().segments().count(), 64);
        let begun = Instant::now();
        for n in 0..100 {
            let envelope = empty().with_message_type(format!("T{n}"));
            assert_eq!(
                engine.dispatch(&topic, envelope).await.unwrap().status(),
                DispatchStatus::NoDispatcher
            );
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

#[test]
fn huge_error_texts_are_shortened_everywhere() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .dispatcher(on_event("b").route_all().run(Act::obey))
            .freeze()
            .unwrap();
        for act in [Act::Fail("x".repeat(8 << 20)), Act::Panic("x".repeat(8 << 20))] {
            let result = engine.dispatch(TOPIC, act.envelope()).await.unwrap();
            let message = result.error_message().unwrap();
            assert!(message.contains("... [truncated]") && message.len() < 1200, "{}", message.len());
        }
        assert!(serde_json::to_string(&engine.metrics().await.unwrap()).unwrap().len() < 16 * 1024);
    });
}

#[test]
fn huge_payloads_are_not_copied() {
    paused(async {
        let engine = (0..20)
            .fold(builder(), |builder, n| {
                builder.dispatcher(on_event(format!("d{n}")).route_all().run(
                    |envelope: Envelope| async move {
                        assert_eq!(envelope.raw_payload().to_bytes().unwrap().0.len(), 64 << 20);
                    },
                ))
            })
            .freeze()
            .unwrap();
        let envelope = Envelope::new(Payload::bytes(vec![7; 64 << 20], "application/octet-stream"));
        assert!(engine.dispatch(TOPIC, envelope).await.unwrap().is_successful());
    });
}

#[test]
fn a_million_outputs_are_refused_or_returned_as_configured() {
    paused(async {
        for (limit, status) in
            [(65_536, DispatchStatus::DispatcherError), (1_000_000, DispatchStatus::Success)]
        {
            let engine = builder()
                .configure(|config| config.max_outputs = limit)
                .dispatcher(
                    on_event("a")
                        .route_all()
                        .run(|_: Envelope| async { vec![Topic::new("o.ut").unwrap(); 1_000_000] }),
                )
                .freeze()
                .unwrap();
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            assert_eq!(result.status(), status);
            assert_eq!(result.output_count(), if status.is_error() { 0 } else { 1_000_000 });
        }
    });
}

#[test]
fn a_million_bad_outputs_published_to_the_engine_are_one_short_error() {
    paused(async {
        let engine = builder()
            .publish_to_self()
            .configure(|config| config.max_in_flight = 10)
            .dispatcher(
                on_event("a")
                    .route_all()
                    .run(|_: Envelope| async { vec![Topic::new("loop.events").unwrap(); 20_000] }),
            )
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::PublishFailed);
        assert!(result.error_message().unwrap().len() < 4096);
    });
}

#[test]
fn ids_types_and_headers_of_any_content_travel_unharmed() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(|envelope: Envelope| async move {
                assert_eq!(envelope.headers().get("\0"), Some("\u{1f600}\r\n"));
            }))
            .freeze()
            .unwrap();
        for name in ["\0", "x".repeat(1 << 20).as_str(), "'; drop table", "{}", "\u{202e}"] {
            let envelope = empty().with_message_type(name).with_header("\0", "\u{1f600}\r\n");
            let result = engine.dispatch(TOPIC, envelope).await.unwrap();
            assert_eq!(
                (result.status(), result.message_type().unwrap().as_str()),
                (DispatchStatus::Success, name)
            );
        }
    });
}

/// 100,000 in plain runs; `DISPATCH_PROOF=10` makes it a million.
#[test]
fn very_many_routes_freeze_and_choose_correctly() {
    let routes = 100_000 * env_u64("DISPATCH_PROOF", 1).min(10);
    paused(async {
        let shape = |n: u64| match n % 4 {
            0 => format!("shop.t{n}.events"),
            1 => format!("shop.t{n}.**"),
            2 => format!("*.t{n}.ev*"),
            _ => format!("**.t{n}.events"),
        };
        let engine = (0..10)
            .fold(builder(), |builder, n| {
                builder.dispatcher(on_event(format!("d{n}")).run(|_: Envelope| async {}))
            })
            .routes(
                (0..routes)
                    .map(|n| Route::new(format!("r{n}"), shape(n), Category::Event, format!("d{}", n % 10))),
            )
            .freeze()
            .unwrap();
        for n in (0..routes).step_by(997) {
            let result = engine.dispatch(format!("shop.t{n}.events"), empty()).await.unwrap();
            assert_eq!(ids(&result), [format!("d{}", n % 10)]);
            assert_eq!(result.route_id().unwrap().as_str(), format!("r{n}"));
        }
        let missed = engine.dispatch("shop.none.events", empty()).await.unwrap();
        assert_eq!(missed.status(), DispatchStatus::NoDispatcher);
    });
}

#[test]
fn a_table_of_very_many_bad_routes_is_refused_with_a_short_text() {
    let refused = builder()
        .routes((0..100_000).map(|n| Route::new(format!("r{n}"), "a..b", Category::Event, "nobody")))
        .freeze()
        .unwrap_err();
    assert_eq!(refused.registration().unwrap().problems().len(), 200_000);
    assert!(refused.to_string().len() < 64 * 1024);
}
