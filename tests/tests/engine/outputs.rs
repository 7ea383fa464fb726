//! What dispatchers emit, and what becomes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_actors::{EngineBuilder, on_event};
use dispatch_core::{
    Adapter, DeliveryError, DispatchResult, DispatchStatus, DispatcherError, EngineConfig, Envelope,
    ErrorCode, IntoOutputs, Outputs, Receipt, Topic, TraceContext,
};
use dispatch_tests::support::{Act, builder, empty, paused};
use serde_json::json;
use uuid::Uuid;

use crate::{TOPIC, outputs, to};

/// An engine in which every dispatcher returns what it is registered with.
fn returning<T>(returned: impl IntoIterator<Item = T>) -> EngineBuilder
where
    T: IntoOutputs + Clone + Send + 'static,
{
    returned.into_iter().enumerate().fold(builder(), |builder, (n, returned)| {
        let id = format!("d{n}");
        let route = to(&id);
        builder.route(route).dispatcher(on_event(id).run(move |_: Envelope| {
            let returned = returned.clone();
            async move { returned }
        }))
    })
}

#[test]
fn every_form_of_output_is_accepted_in_rank_order_with_duplicates() {
    paused(async {
        let topic = Topic::new("t.opic").unwrap();
        let own = empty().with_topic(&Topic::new("e.nvelope").unwrap());
        let inner = DispatchResult::success("inner", ["r.esult"].into_outputs().unwrap());
        let engine = builder()
            .dispatcher(on_event("nothing").run(|_: Envelope| async {}))
            .dispatcher(on_event("none").run(|_: Envelope| async { None::<&str> }))
            .dispatcher(on_event("text").run(|_: Envelope| async { "x.y" }))
            .dispatcher(
                on_event("texts").run(|_: Envelope| async { vec!["x.y".to_owned(), "x.z".to_owned()] }),
            )
            .dispatcher(on_event("topic").run(move |_: Envelope| std::future::ready(topic.clone())))
            .dispatcher(on_event("envelope").run(move |_: Envelope| std::future::ready(own.clone())))
            .dispatcher(on_event("result").run(move |_: Envelope| std::future::ready(inner.clone())))
            .dispatcher(on_event("mixed").run(|_: Envelope| async {
                let mut outputs = Outputs::none();
                outputs.push("m.1")?;
                outputs.push(empty().with_topic(&Topic::new("m.2").unwrap()))?;
                Ok::<_, DispatcherError>(outputs)
            }))
            .routes(["nothing", "none", "text", "texts", "topic", "envelope", "result", "mixed"].map(to))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert!(result.is_successful(), "{result:?}");
        assert_eq!(outputs(&result), ["x.y", "x.y", "x.z", "t.opic", "e.nvelope", "r.esult", "m.1", "m.2"]);
    });
}

#[test]
fn an_invalid_output_is_the_error_of_its_dispatcher_and_voids_its_own_outputs_only() {
    paused(async {
        let engine =
            returning([vec!["a.b", "nodot"], vec!["c.d"], vec!["x..y"], vec!["white space.x"], vec![""]])
                .freeze()
                .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            (result.status(), result.error_code()),
            (DispatchStatus::DispatcherError, Some(ErrorCode::HandlerExecutionError))
        );
        assert_eq!(outputs(&result), ["c.d"]);
        let message = result.error_message().unwrap();
        for part in [
            "'d0' failed: InvalidOutput: invalid output topic 'nodot'",
            "invalid output topic 'x..y'",
            "invalid output topic 'white space.x'",
            "invalid output topic ''",
        ] {
            assert!(message.contains(part), "'{part}' is missing in {message}");
        }
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            (metrics.dispatcher("d0").unwrap().error_count, metrics.dispatcher("d0").unwrap().success_count),
            (1, 0)
        );
        assert_eq!(metrics.dispatcher("d1").unwrap().success_count, 1);
    });
}

#[test]
fn an_envelope_without_a_topic_is_no_output() {
    paused(async {
        let engine = returning([empty()]).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!((result.status(), result.output_count()), (DispatchStatus::DispatcherError, 0));
    });
}

#[test]
fn the_error_of_an_inner_result_is_an_error_of_the_outer_dispatch() {
    paused(async {
        let failed = DispatchResult::failed("inner", &DispatcherError::new("IoError", "disk full"));
        let skipped = DispatchResult::skipped("seen before");
        let engine = returning([failed, skipped]).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            result.error_message(),
            Some(
                "Dispatcher 'd0' failed: HANDLER_EXECUTION_ERROR: Dispatcher 'inner' failed: IoError: disk full"
            )
        );
    });
}

/// A publisher that keeps what it is given and fails for topics that contain `fail`.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Envelope>>>);

impl Shelf {
    fn taken(&self) -> Vec<Envelope> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Adapter for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let topic = envelope.topic().unwrap().as_str();
        match topic {
            _ if topic.contains("fail") => Err(DeliveryError::retry("shelf is full")),
            _ if topic.contains("secret") => Err(DeliveryError::permanent("amqp://broker is down")),
            _ if topic.contains("hang") => std::future::pending().await,
            _ if topic.contains("panic") => panic!("the shelf fell down"),
            _ => {
                self.0.lock().unwrap().push(envelope.clone());
                Ok(Receipt::taken())
            }
        }
    }
}

#[test]
fn a_bare_topic_is_published_with_what_the_input_has() {
    paused(async {
        let shelf = Shelf::default();
        let engine = returning(["o.ut"]).publish_to(shelf.clone()).freeze().unwrap();
        let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let input = Envelope::json("Order", json!({"id": 1}))
            .with_header("tenant", "7")
            .with_correlation_id(Uuid::from_u128(9))
            .with_trace(trace)
            .with_hops(3);
        let result = engine.dispatch(TOPIC, input.clone()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Success);
        let [output] = &shelf.taken()[..] else { panic!("one output") };
        assert_eq!(output.topic().unwrap().as_str(), "o.ut");
        assert_eq!(output.raw_payload().to_json().unwrap(), input.raw_payload().to_json().unwrap());
        assert_eq!((output.message_type().as_str(), output.headers().get("tenant")), ("Order", Some("7")));
        assert_eq!(
            (output.causation_id(), output.correlation_id()),
            (Some(input.id()), Some(Uuid::from_u128(9)))
        );
        assert_eq!((output.hops(), output.trace().unwrap().trace_id), (4, trace.trace_id));
        assert_eq!(output.trace().unwrap().span_id, result.span_id());
        assert_ne!(output.id(), input.id());
    });
}

#[test]
fn a_full_envelope_is_published_with_its_own() {
    paused(async {
        let shelf = Shelf::default();
        let own = Envelope::json("Invoice", json!(5))
            .with_topic(&Topic::new("o.wn").unwrap())
            .with_header("own", "1")
            .with_correlation_id(Uuid::from_u128(1));
        let engine = returning([own.clone()]).publish_to(shelf.clone()).freeze().unwrap();
        let input = empty().with_header("tenant", "7").with_correlation_id(Uuid::from_u128(2));
        assert!(engine.dispatch(TOPIC, input.clone()).await.unwrap().is_successful());
        let output = shelf.taken().remove(0);
        assert_eq!((output.id(), output.message_type().as_str()), (own.id(), "Invoice"));
        assert_eq!((output.headers().get("own"), output.headers().get("tenant")), (Some("1"), None));
        assert_eq!(
            (output.correlation_id(), output.causation_id()),
            (Some(Uuid::from_u128(1)), Some(input.id()))
        );
    });
}

#[test]
fn publishing_that_fails_names_the_topics_that_failed() {
    paused(async {
        let shelf = Shelf::default();
        let engine = returning([vec!["a.ok", "b.fail"], vec!["c.fail", "d.ok"]])
            .publish_to(shelf.clone())
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            (result.status(), result.error_code()),
            (DispatchStatus::PublishFailed, Some(ErrorCode::PublishFailed))
        );
        assert!(result.requires_retry());
        let message = result.error_message().unwrap();
        assert!(message.contains("b.fail") && message.contains("c.fail"), "{message}");
        assert!(!message.contains("a.ok") && !message.contains("d.ok"), "{message}");
        assert_eq!(shelf.taken().len(), 2, "the others are published");
        assert_eq!(outputs(&result).len(), 4);
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            (metrics.failed_dispatches, metrics.publish_failed_count, metrics.dispatcher_error_count),
            (1, 1, 0)
        );
    });
}

#[test]
fn the_topics_that_failed_are_named_even_if_the_reason_is_hidden() {
    paused(async {
        let engine = returning(["a.secret"]).publish_to(Shelf::default()).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::PublishFailed);
        let message = result.error_message().unwrap();
        assert!(message.contains("a.secret"), "{message}");
        assert!(!message.contains("amqp://"), "{message}");
    });
}

#[test]
fn a_publisher_that_hangs_is_given_up() {
    paused(async {
        let engine = returning(["a.hang"]).publish_to(Shelf::default()).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::PublishFailed);
        assert!(result.error_message().unwrap().contains("a.hang"));
    });
}

#[test]
fn a_publisher_that_panics_fails_that_dispatch_and_no_other() {
    paused(async {
        let shelf = Shelf::default();
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .publish_to(shelf.clone())
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, Act::Return(vec!["a.panic".into()]).envelope()).await;
        assert_eq!(result.unwrap().status(), DispatchStatus::PublishFailed);
        assert_eq!(engine.in_flight(), 0);
        let result = engine.dispatch(TOPIC, Act::Return(vec!["b.ok".into()]).envelope()).await.unwrap();
        assert!(result.is_successful());
        assert_eq!(shelf.taken().len(), 1);
    });
}

#[test]
fn outputs_beside_a_failed_dispatcher_are_published() {
    paused(async {
        let shelf = Shelf::default();
        let engine = builder()
            .dispatcher(on_event("bad").run(|_: Envelope| Act::Fail("x".into()).run()))
            .dispatcher(on_event("good").run(|_: Envelope| async { "g.ood" }))
            .routes(["bad", "good"].map(to))
            .publish_to(shelf.clone())
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::DispatcherError);
        assert_eq!(shelf.taken()[0].topic().unwrap().as_str(), "g.ood");
    });
}

#[test]
fn too_many_outputs_are_the_error_of_their_dispatcher() {
    paused(async {
        let engine = returning([vec!["a.b"; 4], vec!["c.d"; 3]])
            .configure(|config| config.max_outputs = 3)
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            result.error_message(),
            Some("Dispatcher 'd0' failed: too many outputs: 4 were returned, max_outputs is 3")
        );
        assert_eq!(outputs(&result), ["c.d"; 3]);
    });
}

#[test]
fn outputs_come_back_into_the_same_engine_caused_by_their_input() {
    let from_code = || builder().publish_to_self();
    let from_config = || {
        let config = EngineConfig::from_toml("publish = 'engine'\nstall_warn_ms = 0").unwrap();
        builder().config(config)
    };
    for builder in [from_code(), from_config()] {
        paused(async {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&seen);
            let engine = builder
                .dispatcher(on_event("first").run(|_: Envelope| async { ["second.events", "only.returned"] }))
                .dispatcher(on_event("second").run(move |envelope: Envelope| {
                    sink.lock().unwrap().push((
                        envelope.causation_id(),
                        envelope.hops(),
                        envelope.correlation_id(),
                    ));
                    async {}
                }))
                .route(dispatch_core::Route::new("1", "first.**", dispatch_core::Category::Event, "first"))
                .route(dispatch_core::Route::new("2", "second.**", dispatch_core::Category::Event, "second"))
                .freeze()
                .unwrap();
            let input = empty();
            let result = engine.dispatch("first.events", input.clone()).await.unwrap();
            assert_eq!((result.status(), result.output_count()), (DispatchStatus::Success, 2));
            let report = engine.shutdown(Duration::from_secs(1)).await.unwrap();
            assert_eq!(*seen.lock().unwrap(), [(Some(input.id()), 1, Some(result.correlation_id()))]);
            let metrics = report.metrics.unwrap();
            assert_eq!((metrics.total_dispatches, metrics.unpublishable_count), (2, 1));
        });
    }
}

#[test]
fn a_loop_ends_in_an_error_after_max_hops() {
    paused(async {
        let hops = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&hops);
        let engine = builder()
            .publish_to_self()
            .dispatcher(on_event("loop").route_all().run(move |envelope: Envelope| {
                sink.lock().unwrap().push(envelope.hops());
                async { TOPIC }
            }))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
        let metrics = engine.shutdown(Duration::from_secs(1)).await.unwrap().metrics.unwrap();
        assert_eq!(*hops.lock().unwrap(), (0..=16).collect::<Vec<_>>());
        assert_eq!((metrics.total_dispatches, metrics.successful_dispatches), (18, 16));
        assert_eq!((metrics.publish_failed_count, metrics.status_metrics.invalid_message), (1, 1));
    });
}

#[test]
fn a_cyclic_fan_out_stays_bounded() {
    paused(async {
        let engine = builder()
            .configure(|config| config.max_hops = 7)
            .publish_to_self()
            .dispatcher(on_event("loop").route_all().run(|_: Envelope| async { [TOPIC, TOPIC] }))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
        let report = engine.shutdown(Duration::from_secs(10)).await.unwrap();
        let metrics = report.metrics.unwrap();
        assert_eq!((report.abandoned, metrics.dispatcher_execution_count), (0, 255));
        assert_eq!(metrics.status_metrics.invalid_message, 256);
        assert_eq!(metrics.total_dispatches, 511);
    });
}

#[test]
fn outputs_that_find_no_permit_are_refused_by_name_and_never_lost_in_silence() {
    paused(async {
        let engine = builder()
            .configure(|config| config.max_in_flight = 1)
            .publish_to_self()
            .dispatcher(
                on_event("a")
                    .route_all()
                    .run(|envelope: Envelope| async move { (envelope.hops() == 0).then_some("next.events") }),
            )
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::PublishFailed);
        assert!(result.error_message().unwrap().contains("next.events"));
        assert_eq!(engine.in_flight(), 0);
    });
}
