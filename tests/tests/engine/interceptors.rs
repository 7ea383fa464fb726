//! Code around every dispatch, and whoever watches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::{Deduplicate, Event, Interceptor, PayloadCheck, Refused, Verdict, on_event};
use dispatch_core::delivery::SkippedDelivery;
use dispatch_core::{Adapter, Category, DispatchResult, DispatchStatus, Envelope, ErrorCode, Route, Topic};
use dispatch_tests::support::{Act, builder, empty, paused};
use serde_json::json;

use crate::{TOPIC, ids};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it sees and decides by a function.
struct Noted<F>(&'static str, Log, F);

impl<F: FnMut(&mut Envelope) -> Verdict + Send + 'static> Interceptor for Noted<F> {
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        assert_eq!(envelope.topic().unwrap().as_str(), TOPIC);
        self.1.lock().unwrap().push(format!("{} before", self.0));
        (self.2)(envelope)
    }

    fn after(&mut self, result: &DispatchResult) {
        self.1.lock().unwrap().push(format!("{} after {}", self.0, result.status()));
    }
}

fn go(_: &mut Envelope) -> Verdict {
    Verdict::Continue
}

#[test]
fn interceptors_run_in_order_before_and_in_reverse_after() {
    paused(async {
        let log = Log::default();
        let engine = builder()
            .interceptor(Noted("outer", Arc::clone(&log), go))
            .interceptor(Noted("inner", Arc::clone(&log), go))
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, Act::ok().after(5).envelope()).await.unwrap().is_successful());
        assert_eq!(
            *log.lock().unwrap(),
            ["outer before", "inner before", "inner after success", "outer after success"]
        );
    });
}

#[test]
fn an_interceptor_may_change_the_envelope_before_it_is_routed() {
    paused(async {
        let change = |envelope: &mut Envelope| {
            *envelope = envelope.clone().with_message_type("Other").with_header("x", "1");
            Verdict::Continue
        };
        let engine = builder()
            .interceptor(Noted("change", Log::default(), change))
            .dispatcher(on_event("other").types(["Other"]).route_all().run(|envelope: Envelope| async move {
                assert_eq!(envelope.headers().get("x"), Some("1"));
            }))
            .freeze()
            .unwrap();
        assert_eq!(ids(&engine.dispatch(TOPIC, empty()).await.unwrap()), ["other"]);
    });
}

#[test]
fn a_skipped_envelope_reaches_nobody_and_says_why() {
    paused(async {
        let log = Log::default();
        let engine = builder()
            .interceptor(Noted("first", Arc::clone(&log), go))
            .interceptor(Noted("skip", Arc::clone(&log), |_: &mut Envelope| {
                Verdict::Skip("not today".into())
            }))
            .interceptor(Noted("never", Arc::clone(&log), go))
            .dispatcher(on_event("a").route_all().run(|_: Envelope| Act::Panic("not to be run".into()).run()))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            (result.status(), result.error_message(), result.error_code()),
            (DispatchStatus::Skipped, Some("not today"), None)
        );
        assert_eq!((ids(&result).len(), result.is_error(), result.is_successful()), (0, false, false));
        assert_eq!(
            *log.lock().unwrap(),
            ["first before", "skip before", "skip after skipped", "first after skipped"],
            "what has not run before does not run after"
        );
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            (metrics.total_dispatches, metrics.skipped_count, metrics.dispatcher_execution_count),
            (1, 1, 0)
        );
        assert_eq!((metrics.successful_dispatches, metrics.failed_dispatches), (0, 0));
    });
}

#[test]
fn what_ran_before_a_dispatch_runs_after_it_and_nothing_else() {
    paused(async {
        let log = Log::default();
        let engine = builder()
            .interceptor(Noted("outer", Arc::clone(&log), go))
            .interceptor(Noted("reject", Arc::clone(&log), |envelope: &mut Envelope| {
                if envelope.hops() == 0 { Verdict::Continue } else { Verdict::Reject("no".into()) }
            }))
            .freeze()
            .unwrap();
        let seen = async |topic: &str, envelope: Envelope| {
            drop(engine.dispatch(topic, envelope).await);
            std::mem::take(&mut *log.lock().unwrap())
        };
        assert!(seen("not a topic", empty()).await.is_empty(), "none has seen it before");
        assert_eq!(
            seen(TOPIC, empty()).await,
            ["outer before", "reject before", "reject after no_dispatcher", "outer after no_dispatcher"]
        );
        assert_eq!(seen(TOPIC, empty().with_hops(1)).await, ["outer before", "reject before"]);
        assert!(seen("", empty()).await.is_empty());
    });
}

#[test]
fn a_rejected_envelope_is_refused_with_a_sanitised_reason() {
    paused(async {
        let reasons = ["too big", "the password is x1"];
        for (reason, shown) in reasons.into_iter().zip(["too big", "[REDACTED - potentially sensitive data]"])
        {
            let engine = builder()
                .configure(|config| config.max_in_flight = 1)
                .interceptor(Noted("reject", Log::default(), move |_: &mut Envelope| {
                    Verdict::Reject(reason.into())
                }))
                .dispatcher(
                    on_event("a").route_all().run(|_: Envelope| Act::Panic("not to be run".into()).run()),
                )
                .freeze()
                .unwrap();
            for _ in 0..3 {
                let refused = engine.dispatch(TOPIC, empty()).await.unwrap_err();
                assert_eq!(
                    (refused.clone(), refused.code()),
                    (Refused::Rejected(shown.into()), ErrorCode::Rejected)
                );
            }
            assert_eq!(engine.in_flight(), 0);
            let metrics = engine.metrics().await.unwrap();
            assert_eq!(
                (metrics.total_dispatches, metrics.rejected_count),
                (0, 3),
                "a refusal is no dispatch"
            );
        }
    });
}

#[test]
fn an_interceptor_that_panics_rejects_before_and_changes_nothing_after() {
    struct Panics(bool);

    impl Interceptor for Panics {
        fn before(&mut self, _: &mut Envelope) -> Verdict {
            assert!(!self.0, "before");
            Verdict::Continue
        }

        fn after(&mut self, _: &DispatchResult) {
            panic!("after");
        }
    }

    paused(async {
        let build = |before| {
            builder()
                .interceptor(Panics(before))
                .dispatcher(on_event("a").route_all().run(Act::obey))
                .freeze()
                .unwrap()
        };
        let engine = build(false);
        assert!(engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        assert_eq!(
            engine.dispatch("a.commands", Act::ok().envelope()).await.unwrap().status(),
            DispatchStatus::NoDispatcher
        );
        let engine = build(true);
        assert!(matches!(engine.dispatch(TOPIC, Act::ok().envelope()).await, Err(Refused::Rejected(_))));
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn a_duplicate_is_skipped_inside_a_bounded_window() {
    paused(async {
        let engine = builder()
            .interceptor(Deduplicate::new(2, Duration::from_secs(60)))
            .dispatcher(on_event("a").route_all().run(|_: Envelope| async {}))
            .freeze()
            .unwrap();
        let status =
            async |envelope: &Envelope| engine.dispatch(TOPIC, envelope.clone()).await.unwrap().status();
        let (first, second, third) = (empty(), empty(), empty());
        assert_eq!(status(&first).await, DispatchStatus::Success);
        assert_eq!(status(&first).await, DispatchStatus::Skipped);
        assert_eq!(status(&second).await, DispatchStatus::Success);
        assert_eq!(status(&third).await, DispatchStatus::Success);
        assert_eq!(status(&first).await, DispatchStatus::Success, "it was pushed out");
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(status(&third).await, DispatchStatus::Success, "it is too old");
    });
}

#[test]
fn a_payload_check_refuses_what_its_type_does_not_allow() {
    paused(async {
        let check = PayloadCheck::new().on("Order", |envelope| {
            let json = envelope.raw_payload().to_json().map_err(|error| error.to_string())?;
            if json["id"].is_u64() { Ok(()) } else { Err("an order needs an id".to_owned()) }
        });
        let engine = builder()
            .interceptor(check)
            .dispatcher(on_event("a").route_all().run(|_: Envelope| async {}))
            .freeze()
            .unwrap();
        assert!(
            engine.dispatch(TOPIC, Envelope::json("Order", json!({"id": 1}))).await.unwrap().is_successful()
        );
        assert!(engine.dispatch(TOPIC, Envelope::json("Other", json!({}))).await.unwrap().is_successful());
        let refused = engine.dispatch(TOPIC, Envelope::json("Order", json!({"id": "x"}))).await.unwrap_err();
        assert_eq!(refused, Refused::Rejected("an order needs an id".into()));
    });
}

#[test]
fn an_observer_sees_every_event_and_a_panicking_one_disturbs_nobody() {
    paused(async {
        let log = Log::default();
        let sink = Arc::clone(&log);
        let engine = builder()
            .observer(|_: &Event<'_>| panic!("I cannot look"))
            .observer(move |event: &Event<'_>| {
                let line = match event {
                    Event::Routed { topic, legs, .. } => format!("routed {topic} to {}", legs.len()),
                    Event::Completed { result } => format!("completed {}", result.status()),
                    other => format!("{other:?}"),
                };
                sink.lock().unwrap().push(line);
            })
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        assert_eq!(
            engine.route(TOPIC, Act::Fail("x".into()).envelope()).await.unwrap().status(),
            DispatchStatus::Routed
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(
            engine.dispatch("nowhere", empty()).await.unwrap().status(),
            DispatchStatus::InvalidMessage
        );
        assert_eq!(
            *log.lock().unwrap(),
            [
                "routed shop.order.events to 1",
                "completed success",
                "routed shop.order.events to 1",
                "completed dispatcher_error",
                "completed invalid_message",
            ]
        );
    });
}

#[test]
fn an_input_that_is_passed_on_is_no_duplicate_of_itself() {
    paused(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let next = Topic::new("shop.next.events").unwrap();
        let engine = builder()
            .interceptor(Deduplicate::new(100, Duration::from_secs(60)))
            .publish_to_self()
            .dispatcher(on_event("first").run(move |envelope: Envelope| {
                let next = envelope.with_topic(&next);
                async move { vec![next.clone(), next] }
            }))
            .dispatcher(on_event("second").run(move |envelope: Envelope| {
                sink.lock().unwrap().push((envelope.id(), envelope.causation_id()));
                async {}
            }))
            .route(Route::new("first", TOPIC, Category::Event, "first"))
            .route(Route::new("second", "shop.next.events", Category::Event, "second"))
            .freeze()
            .unwrap();
        let input = empty();
        assert!(engine.dispatch(TOPIC, input.clone()).await.unwrap().is_successful());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let seen = seen.lock().unwrap().clone();
        let [(one, cause), (other, _)] = seen[..] else { panic!("both are dispatched: {seen:?}") };
        assert!(one != other && one != input.id() && cause == Some(input.id()));
    });
}

#[test]
fn an_adapter_says_that_an_envelope_was_filtered_out() {
    paused(async {
        let engine = builder()
            .interceptor(Deduplicate::new(100, Duration::from_secs(60)))
            .dispatcher(on_event("a").route_all().run(|_: Envelope| async {}))
            .freeze()
            .unwrap();
        let (adapter, envelope) = (engine.adapter(), empty().with_topic(&Topic::new(TOPIC).unwrap()));
        assert_eq!(adapter.deliver(&envelope).await.unwrap().skipped, None);
        assert_eq!(adapter.deliver(&envelope).await.unwrap().skipped, Some(SkippedDelivery::Filtered));
    });
}
