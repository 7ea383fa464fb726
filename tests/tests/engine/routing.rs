//! Which dispatchers run, in which order, with what.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use dispatch_actors::{Deliver, DispatcherBuilder, Engine, on_command, on_event};
use dispatch_core::route::RouteVerdict;
use dispatch_core::{
    Category, Clock, Context, DispatchStatus, DispatcherError, Envelope, ErrorCode, NodeKind, Outputs, Route,
    TraceContext,
};
use dispatch_tests::support::{Act, builder, cases, empty, paused};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::{TOPIC, ids, outputs, to};

#[test]
fn higher_priority_first_then_registration_each_dispatcher_once() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("all").route_all().run(|_: Envelope| async {}))
            .dispatcher(on_event("a").run(|_: Envelope| async {}))
            .dispatcher(on_event("b").run(|_: Envelope| async {}))
            .dispatcher(on_event("c").run(|_: Envelope| async {}))
            .dispatcher(on_event("typed").types(["Other"]).run(|_: Envelope| async {}))
            .route(to("c").with_priority(-1))
            .route(to("b"))
            .route(Route::new("a-late", "**", Category::Event, "a"))
            .route(Route::new("a-early", "*.order.**", Category::Event, "a").with_priority(9))
            .route(to("typed").with_priority(10))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(ids(&result), ["a", "b", "all", "c"]);
        assert_eq!(result.route_id().unwrap().as_str(), "a-early", "a refused type leads nowhere");
        let routes: Vec<_> =
            result.outcomes().map(|outcome| outcome.route_id().map(|id| id.as_str().to_owned())).collect();
        assert_eq!(routes, [Some("a-early".into()), Some("to-b".into()), None, Some("to-c".into())]);
    });
}

#[test]
fn the_type_is_the_explicit_one_trimmed_or_that_of_the_payload() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("a").types(["Act"]).route_all().run(|_: Envelope| async {}))
            .freeze()
            .unwrap();
        for envelope in [
            Act::ok().envelope(),
            Act::ok().envelope().with_message_type(" \t"),
            empty().with_message_type("  Act\n"),
        ] {
            let result = engine.dispatch(TOPIC, envelope).await.unwrap();
            assert_eq!(
                (result.status(), result.message_type().unwrap().as_str()),
                (DispatchStatus::Success, "Act")
            );
        }
        let result = engine.dispatch(TOPIC, empty().with_message_type("act")).await.unwrap();
        assert_eq!(
            result.error_message(),
            Some(
                "No dispatcher registered for category 'event' and message type 'act' matching topic 'shop.order.events'."
            )
        );
    });
}

#[test]
fn what_cannot_be_routed_is_a_result_with_a_code_and_every_id() {
    paused(async {
        let engine =
            builder().dispatcher(on_command("c").route_all().run(|_: Envelope| async {})).freeze().unwrap();
        let correlation = Uuid::from_u128(7);
        let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let envelope = || empty().with_correlation_id(correlation).with_trace(trace);
        let invalid = (DispatchStatus::InvalidMessage, Some(ErrorCode::ValidationError));
        let cases = [
            (
                "shop.order",
                envelope(),
                invalid,
                "Cannot infer message category from topic 'shop.order'. Topic must contain an events, commands or intents segment.",
            ),
            ("shop..events", envelope(), invalid, "Invalid topic: "),
            ("", envelope(), invalid, "Invalid topic: "),
            (
                TOPIC,
                envelope().with_category(Category::Intent),
                invalid,
                "Envelope category 'intent' does not match category 'event' of topic 'shop.order.events'.",
            ),
            (
                TOPIC,
                envelope(),
                (DispatchStatus::NoDispatcher, Some(ErrorCode::ItemNotRegistered)),
                "No dispatcher registered for category 'event' and message type 'empty' matching topic 'shop.order.events'.",
            ),
        ];
        for (topic, envelope, (status, code), message) in cases {
            let result = engine.dispatch(topic, envelope).await.unwrap();
            assert_eq!((result.status(), result.error_code()), (status, code), "{topic}");
            assert!(result.error_message().unwrap().starts_with(message), "{result:?}");
            assert_eq!(
                (result.topic(), result.correlation_id(), result.trace_id()),
                (topic, correlation, trace.trace_id)
            );
            assert_eq!((result.dispatcher_ids().len(), result.route_id()), (0, None));
            assert_eq!(result.dispatch_id().get_version_num(), 7);
        }
    });
}

#[test]
fn a_missing_correlation_id_is_generated_and_handlers_see_it() {
    paused(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(move |_: Envelope, context: Context| {
                sink.lock().unwrap().push((
                    context.correlation_id,
                    context.trace_id,
                    context.span_id,
                    context.dispatch_id,
                ));
                async {}
            }))
            .freeze()
            .unwrap();
        for _ in 0..2 {
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            let seen = seen.lock().unwrap().pop().unwrap();
            assert_eq!(
                seen,
                (result.correlation_id(), result.trace_id(), result.span_id(), result.dispatch_id())
            );
            assert!(!result.correlation_id().is_nil());
        }
    });
}

#[test]
fn deterministic_kinds_see_no_clock() {
    paused(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let engine = [NodeKind::Reducer, NodeKind::Compute, NodeKind::Orchestrator]
            .into_iter()
            .fold(builder(), |builder, kind| {
                let seen = Arc::clone(&seen);
                builder.dispatcher(on_event(kind.as_str()).node_kind(kind).route_all().run(
                    move |_: Envelope, context: Context| {
                        assert_eq!(context.node_kind, Some(kind));
                        seen.lock().unwrap().push((kind, context.now.is_some()));
                        async {}
                    },
                ))
            })
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
        assert_eq!(
            *seen.lock().unwrap(),
            [(NodeKind::Reducer, false), (NodeKind::Compute, false), (NodeKind::Orchestrator, true)]
        );
    });
}

#[test]
fn concurrency_1_is_strictly_one_at_a_time_in_order() {
    paused(async {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let engine = builder()
            .dispatcher(on_event("a").concurrency(1).route_all().run(move |envelope: Envelope<u64>| {
                let sink = Arc::clone(&sink);
                async move {
                    let n = *envelope.payload();
                    sink.lock().unwrap().push((n, "begin"));
                    // Later ones would overtake if they could.
                    tokio::time::sleep(Duration::from_millis(50 - n)).await;
                    sink.lock().unwrap().push((n, "end"));
                }
            }))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..20).map(|n: u64| (TOPIC, Envelope::typed(n)))).await;
        assert!(results.iter().all(|result| result.as_ref().unwrap().is_successful()));
        let expected: Vec<_> = (0..20).flat_map(|n| [(n, "begin"), (n, "end")]).collect();
        assert_eq!(*log.lock().unwrap(), expected);
    });
}

#[test]
fn without_a_limit_everything_runs_at_once() {
    paused(async {
        let engine = builder().dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap();
        let begun = tokio::time::Instant::now();
        let results = engine.dispatch_many((0..500).map(|_| (TOPIC, Act::ok().after(100).envelope()))).await;
        assert_eq!(results.len(), 500);
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
    });
}

#[test]
fn a_limit_holds_for_every_form_of_dispatcher() {
    /// Counts how many calls of it there are at a time.
    #[derive(Clone, Default)]
    struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

    impl Gauge {
        async fn hold(self) -> Result<Outputs, DispatcherError> {
            let (now, most) = &*self.0;
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, SeqCst);
            Ok(Outputs::none())
        }
    }

    impl actix::Actor for Gauge {
        type Context = actix::Context<Self>;
    }

    impl actix::Handler<Deliver> for Gauge {
        type Result = actix::ResponseFuture<Result<Outputs, DispatcherError>>;

        fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
            Box::pin(self.clone().hold())
        }
    }

    paused(async {
        let gauges = [Gauge::default(), Gauge::default(), Gauge::default()];
        let [function, actor, recipient] = gauges.clone();
        let limited = |id: &str| on_event(id).concurrency(2).route_all();
        let engine = builder()
            .dispatcher(limited("function").run(move |_: Envelope| function.clone().hold()))
            .dispatcher(limited("actor").actor(move || actor.clone()))
            .dispatcher(limited("recipient").recipient(actix::Actor::start(recipient).recipient()))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..40).map(|_| (TOPIC, empty()))).await;
        assert!(results.iter().all(|result| result.as_ref().unwrap().is_successful()));
        assert_eq!(gauges.map(|gauge| gauge.0.1.load(SeqCst)), [2; 3]);
    });
}

#[test]
fn a_handler_may_dispatch_with_its_own_engine() {
    paused(async {
        let handle = Arc::new(OnceLock::<Engine>::new());
        let own = Arc::clone(&handle);
        let engine = builder()
            .dispatcher(on_event("outer").run(move |_: Envelope| {
                let own = Arc::clone(&own);
                async move {
                    let inner = own.get().unwrap().dispatch("inner.commands", empty()).await;
                    inner.map_err(DispatcherError::from)
                }
            }))
            .dispatcher(on_command("inner").route_all().run(|_: Envelope| async { "i.nner" }))
            .route(to("outer"))
            .freeze()
            .unwrap();
        handle.set(engine.clone()).unwrap();
        assert_eq!(outputs(&engine.dispatch(TOPIC, empty()).await.unwrap()), ["i.nner"]);
        assert_eq!(engine.metrics().await.unwrap().total_dispatches, 2);
    });
}

#[derive(Clone, Copy)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(43_200)
    }
}

#[test]
fn the_same_seed_table_and_input_give_the_same_results_to_the_last_bit() {
    let run = || {
        paused(async {
            let engine = (0..5)
                .fold(builder().clock(Noon), |builder, n| {
                    let id = format!("d{n}");
                    let route = to(&id).with_priority((n * 7) % 3);
                    builder.dispatcher(on_event(id).run(Act::obey)).route(route)
                })
                .freeze()
                .unwrap();
            let mut results = Vec::new();
            for n in 0..20 {
                let act =
                    if n % 4 == 0 { Act::Fail("x".into()) } else { Act::Return(vec![format!("o.{n}")]) };
                results.push(json!(engine.dispatch(TOPIC, act.after(n).envelope()).await.unwrap()));
            }
            (results, json!(engine.metrics().await.unwrap()))
        })
    };
    let first = run();
    assert!((0..5).all(|_| run() == first));
}

/// A random dispatcher: its category, the type it takes, whether it takes its whole category.
#[derive(Debug, Clone)]
struct AnyDispatcher {
    event: bool,
    other_type: Option<bool>,
    all: bool,
}

/// A random route: where from, where to, and the rest.
#[derive(Debug, Clone)]
struct AnyRoute {
    dispatcher: usize,
    pattern: usize,
    priority: i32,
    other_type: Option<bool>,
    enabled: bool,
}

fn any_dispatcher() -> impl Strategy<Value = AnyDispatcher> {
    (any::<bool>(), any::<Option<bool>>(), prop::bool::weighted(0.2))
        .prop_map(|(event, other_type, all)| AnyDispatcher { event, other_type, all })
}

fn any_route() -> impl Strategy<Value = AnyRoute> {
    (0usize..6, 0usize..5, -2..3i32, any::<Option<bool>>(), prop::bool::weighted(0.8)).prop_map(
        |(dispatcher, pattern, priority, other_type, enabled)| AnyRoute {
            dispatcher,
            pattern,
            priority,
            other_type,
            enabled,
        },
    )
}

const PATTERNS: [&str; 5] = ["**", "*.order.*", "shop.**", "shop.ord?r.e*", "other.**"];

/// Those that match [`TOPIC`].
const MATCHING: std::ops::Range<usize> = 0..4;

fn type_name(other: bool) -> &'static str {
    if other { "Other" } else { "Act" }
}

proptest! {
    #![proptest_config(cases(64))]

    /// The model is the specification's sentence, written down naively.
    #[test]
    fn the_engine_runs_what_the_specification_says_and_explains_it(
        dispatchers in vec(any_dispatcher(), 6),
        routes in vec(any_route(), 0..14),
        other: bool,
    ) {
        let category = |event| if event { Category::Event } else { Category::Command };
        let mut builder = builder();
        for (n, any) in dispatchers.iter().enumerate() {
            let mut dispatcher = DispatcherBuilder::new(format!("d{n}"), category(any.event));
            if let Some(other) = any.other_type {
                dispatcher = dispatcher.types([type_name(other)]);
            }
            if any.all {
                dispatcher = dispatcher.route_all();
            }
            builder = builder.dispatcher(dispatcher.run(|_: Envelope| async {}));
        }
        for (n, any) in routes.iter().enumerate() {
            let event = dispatchers[any.dispatcher].event;
            let dispatcher = format!("d{}", any.dispatcher);
            let mut route = Route::new(format!("r{n}"), PATTERNS[any.pattern], category(event), dispatcher);
            route.priority = any.priority;
            route.message_type = any.other_type.map(|other| type_name(other).to_owned());
            route.enabled = any.enabled;
            builder = builder.route(route);
        }

        let wanted = |types: Option<bool>| types.is_none_or(|wanted| wanted == other);
        let mut ranked: Vec<_> = routes
            .iter()
            .filter(|any| any.enabled && MATCHING.contains(&any.pattern) && wanted(any.other_type))
            .map(|any| (-any.priority, any.dispatcher))
            .collect();
        ranked.extend((0..6).filter(|n| dispatchers[*n].all).map(|n| (0, n)));
        ranked.sort_by_key(|(priority, _)| *priority);
        let mut expected: Vec<String> = Vec::new();
        for (_, n) in ranked {
            let id = format!("d{n}");
            if dispatchers[n].event && wanted(dispatchers[n].other_type) && !expected.contains(&id) {
                expected.push(id);
            }
        }

        paused(async {
            let engine = builder.freeze().unwrap();
            let result = engine.dispatch(TOPIC, empty().with_message_type(type_name(other))).await.unwrap();
            assert_eq!(ids(&result), expected);
            let explanation = engine.explain(TOPIC, None, type_name(other)).await.unwrap();
            let matched = explanation.routes.iter().filter(|entry| matches!(entry.verdict, RouteVerdict::Matched { .. }));
            assert_eq!(matched.map(|entry| entry.dispatcher_id.as_str()).collect::<Vec<_>>(), expected);
            let wholes = dispatchers.iter().filter(|any| any.all).count();
            assert_eq!(explanation.routes.len(), routes.len() + wholes, "one verdict per route");
        });
    }
}
