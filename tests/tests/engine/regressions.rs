//! Faults that were found after the fact, each as the test that would have found it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::{Actor, AsyncContext, Handler, ResponseFuture, Supervisor, WrapFuture};
use dispatch_actors::prelude::*;
use dispatch_actors::{Deliver, EngineActor, GetEngine};
use dispatch_core::Adapter;
use dispatch_tests::support::{builder, empty, paused};
use serde::Serialize;

use crate::{TOPIC, to};

/// A payload that panics when it is dropped.
#[derive(Serialize)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom");
    }
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_harms_nobody() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("slow").timeout(Duration::from_secs(1)).concurrency(1).run(
                |envelope: Envelope| async move {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    drop(envelope);
                },
            ))
            .route(to("slow"))
            .freeze()
            .unwrap();
        for topic in ["no category", "a.commands", TOPIC, TOPIC] {
            let many = [(topic, Envelope::typed(Bomb)), (TOPIC, Envelope::typed(Bomb))];
            let results = engine.dispatch_many(many).await;
            assert!(results.iter().all(Result::is_ok), "{topic}: {results:?}");
        }
        assert_eq!(engine.health(), EngineHealth::Ready);
        assert_eq!(engine.in_flight(), 0);
        let metrics = engine.dispatcher_metrics("slow").await.unwrap().unwrap();
        assert_eq!((metrics.timeout_count, metrics.in_flight), (6, 0));
    });
}

#[test]
fn an_engine_child_that_cannot_start_leaves_its_arbiter_alone() {
    paused(async {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let child = Supervisor::start(move |_| {
            EngineActor::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Engine::builder().route(to("nobody"))
            })
        });
        assert!(child.send(GetEngine).await.unwrap().is_none());
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(made.load(Ordering::Relaxed), 4);
    });
}

#[actix::test]
async fn a_busy_dispatcher_lets_its_neighbours_have_their_turn() {
    let engine = builder()
        .dispatcher(on_event("hog").types(["Work"]).run(|_: Envelope| async {
            let begun = std::time::Instant::now();
            while begun.elapsed() < Duration::from_micros(200) {}
        }))
        .dispatcher(on_event("quick").types(["Ask"]).run(|_: Envelope| async {}))
        .routes([to("hog"), to("quick")])
        .freeze()
        .unwrap();
    let hog = engine.clone();
    let work = actix::spawn(async move {
        hog.dispatch_many((0..1000).map(|_| (TOPIC, Envelope::empty("Work")))).await.len()
    });
    // In a task of its own: the root of a test has its turn only once in 61.
    let asking = engine.clone();
    let done = actix::spawn(async move {
        asking.dispatch(TOPIC, Envelope::empty("Ask")).await.unwrap();
        asking.dispatcher_metrics("hog").await.unwrap().unwrap().execution_count
    });
    let done = done.await.unwrap();
    assert!(done < 500, "{done} envelopes went before");
    assert_eq!(work.await.unwrap(), 1000);
}

/// Counts its live futures; every answer takes an hour.
struct Slow(Arc<AtomicUsize>);

impl Actor for Slow {
    type Context = actix::Context<Self>;
}

struct Live(Arc<AtomicUsize>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handler<Deliver> for Slow {
    type Result = ResponseFuture<Result<Outputs, DispatcherError>>;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        let live = Live(Arc::clone(&self.0));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            drop(live);
            Ok(Outputs::none())
        })
    }
}

#[test]
fn a_late_future_of_an_actor_is_dropped() {
    paused(async {
        let live = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&live);
        let engine = builder()
            .dispatcher(
                on_event("slow").timeout(Duration::from_secs(1)).actor(move || Slow(Arc::clone(&count))),
            )
            .route(to("slow"))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..100).map(|_| (TOPIC, empty()))).await;
        assert!(results.iter().flatten().all(|result| result.status() == DispatchStatus::Timeout));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(live.load(Ordering::Relaxed), 0);
    });
}

/// Pauses for a minute before it takes anything.
struct Paused(Arc<AtomicUsize>);

impl Actor for Paused {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.wait(tokio::time::sleep(Duration::from_secs(60)).into_actor(self));
    }
}

impl Handler<Deliver> for Paused {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Outputs::none())
    }
}

#[test]
fn an_actor_does_not_handle_what_has_timed_out_and_its_queue_is_bounded() {
    paused(async {
        let handled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&handled);
        let engine = builder()
            .configure(|config| config.max_in_flight = 20)
            .dispatcher(
                on_event("slow").timeout(Duration::from_secs(1)).actor(move || Paused(Arc::clone(&count))),
            )
            .route(to("slow"))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..50).map(|_| (TOPIC, empty()))).await;
        let saturated =
            |result: &DispatchResult| result.error_message().is_some_and(|text| text.contains("saturated"));
        assert_eq!(results.iter().flatten().filter(|result| saturated(result)).count(), 30);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(handled.load(Ordering::Relaxed), 0);
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
    });
}

#[test]
fn the_adapter_of_an_engine_ends_with_it_and_keeps_no_permit() {
    paused(async {
        let engine =
            builder().dispatcher(on_event("a").route_all().run(|_: Envelope| async {})).freeze().unwrap();
        let adapter = engine.adapter();
        let topic = Topic::new(TOPIC).unwrap();
        let envelope = empty().with_topic(&topic);
        assert!(adapter.deliver(&envelope).await.is_ok());
        engine.shutdown(Duration::from_secs(1)).await.unwrap();
        let error = adapter.deliver(&envelope).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn an_explanation_says_what_a_dispatch_would_refuse() {
    paused(async {
        let engine =
            builder().dispatcher(on_event("a").run(|_: Envelope| async {})).route(to("a")).freeze().unwrap();
        for topic in ["orders.created", "orders.commands", "orders..events"] {
            let explained = engine.explain(topic, Some(Category::Event), "T").await.unwrap();
            assert!(!explained.to_string().contains("runs as"), "{explained}");
        }
    });
}

#[test]
fn an_answer_after_the_time_out_is_a_time_out_even_if_nothing_could_interrupt_it() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("a").timeout(Duration::from_millis(50)).run(|_: Envelope| async {
                tokio::time::advance(Duration::from_millis(200)).await;
            }))
            .route(to("a"))
            .freeze()
            .unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::Timeout);
    });
}

#[test]
fn a_payload_value_is_in_no_error() {
    paused(async {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "only decoding matters")]
        struct Order {
            id: u32,
        }
        let engine = builder()
            .dispatcher(on_event("a").run(|_: Envelope<Order>| async {}))
            .route(to("a"))
            .freeze()
            .unwrap();
        let envelope = Envelope::json("Order", serde_json::json!({"id": "4111-1111-1111-1111"}));
        let result = engine.dispatch(TOPIC, envelope).await.unwrap();
        let everything = serde_json::to_string(&(&result, engine.metrics().await.unwrap())).unwrap();
        assert!(result.is_error() && !everything.contains("4111"), "{everything}");
    });
}

#[test]
fn an_option_that_does_not_apply_is_refused() {
    let error = builder()
        .dispatcher(on_event("a").pool("cpu").cap(3).run(|_: Envelope| async {}))
        .dispatcher(
            on_event("b").restart(dispatch_actors::RestartPolicy::default()).run_blocking(|_: Envelope| ()),
        )
        .validate()
        .unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
}

#[test]
fn an_interceptor_does_not_change_where_an_envelope_goes() {
    struct Lost;
    impl dispatch_actors::Interceptor for Lost {
        fn before(&mut self, envelope: &mut Envelope) -> dispatch_actors::Verdict {
            envelope.set_topic(&Topic::new("other.events").unwrap());
            dispatch_actors::Verdict::Continue
        }
    }
    paused(async {
        let engine = builder()
            .interceptor(Lost)
            .dispatcher(on_event("a").run(|envelope: Envelope| async move {
                assert_eq!(envelope.topic().unwrap().as_str(), TOPIC);
            }))
            .route(to("a"))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful());
    });
}

#[test]
fn a_shutdown_abandons_what_a_reload_has_retired_by_name() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("old").run(|_: Envelope| std::future::pending::<()>()))
            .route(to("old"))
            .freeze()
            .unwrap();
        let caller = engine.clone();
        let waiting = actix::spawn(async move { caller.dispatch(TOPIC, empty()).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        engine.reload(Engine::builder()).await.unwrap();
        let report = engine.shutdown(Duration::from_millis(100)).await.unwrap();
        assert_eq!(report.abandoned_by_dispatcher, [("old".into(), 1)]);
        assert!(report.elapsed < Duration::from_millis(200), "{:?}", report.elapsed);
        assert!(waiting.await.unwrap().unwrap().is_error());
    });
}

#[test]
fn a_time_out_is_named_as_it_was_when_the_work_began() {
    paused(async {
        let engine = builder()
            .dispatcher(
                on_event("a").timeout(Duration::from_secs(5)).run(|_: Envelope| std::future::pending::<()>()),
            )
            .route(to("a"))
            .freeze()
            .unwrap();
        let caller = engine.clone();
        let waiting = actix::spawn(async move { caller.dispatch(TOPIC, empty()).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let quicker = on_event("a").timeout(Duration::from_millis(100)).run(|_: Envelope| async {});
        engine.reload(Engine::builder().dispatcher(quicker).route(to("a"))).await.unwrap();
        let result = waiting.await.unwrap().unwrap();
        assert_eq!(result.error_message(), Some("Dispatcher 'a' timed out after 5000 ms"));
    });
}
