//! Whose turn it is: a dispatcher that has nothing before it begins in the router's own turn.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use dispatch_actors::{Engine, EngineHealth, Registration, on_event};
use dispatch_core::{DispatchStatus, DispatcherError, Envelope};
use dispatch_tests::support::{Act, builder, cases, empty, paused};
use futures_util::poll;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::TOPIC;

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A dispatcher that says when it begins, and does not answer before it has kept its thread so busy.
    fn dispatcher(&self, id: &str, busy: Duration) -> Registration {
        let (log, name) = (self.clone(), id.to_owned());
        on_event(id).route_all().run(move |_: Envelope| {
            log.push(&name);
            let begun = Instant::now();
            while begun.elapsed() < busy {}
            async {}
        })
    }

    /// Dispatches, and lets a bystander be the next to have its turn after the router.
    async fn dispatch_beside_a_bystander(&self, engine: &Engine) {
        let (log, engine) = (self.clone(), engine.clone());
        // In a task of its own: the root of a test has its turn only once in 61.
        actix::spawn(async move {
            let mut dispatching = Box::pin(engine.dispatch(TOPIC, empty()));
            assert!(poll!(&mut dispatching).is_pending());
            let bystander = actix::spawn(async move { log.push("bystander") });
            assert!(dispatching.await.unwrap().is_successful());
            bystander.await.unwrap();
        })
        .await
        .unwrap();
    }
}

#[test]
fn all_dispatchers_of_a_single_envelope_begin_in_the_routers_turn_in_rank_order() {
    paused(async {
        let log = Log::default();
        let all = ["a", "b", "c"].map(|id| log.dispatcher(id, Duration::ZERO));
        let engine =
            all.into_iter().fold(builder(), dispatch_actors::EngineBuilder::dispatcher).freeze().unwrap();
        // The first time their actors have not had a turn yet.
        engine.dispatch(TOPIC, empty()).await.unwrap();
        log.take();
        for _ in 0..3 {
            log.dispatch_beside_a_bystander(&engine).await;
            assert_eq!(log.take(), ["a", "b", "c", "bystander"]);
        }
    });
}

#[actix::test]
async fn dispatchers_behind_one_that_blocks_let_others_have_their_turn() {
    let log = Log::default();
    let quick = (1..10).map(|n| log.dispatcher(&format!("quick{n}"), Duration::ZERO));
    let all = std::iter::once(log.dispatcher("slow", Duration::from_millis(3))).chain(quick);
    let engine = all.fold(builder(), dispatch_actors::EngineBuilder::dispatcher).freeze().unwrap();
    engine.dispatch(TOPIC, empty()).await.unwrap();
    log.take();
    log.dispatch_beside_a_bystander(&engine).await;
    let begun = log.take();
    assert_eq!(begun[..2], ["slow", "bystander"]);
    assert_eq!(begun[2..], (1..10).map(|n| format!("quick{n}")).collect::<Vec<_>>());
}

#[test]
fn what_a_handler_dispatches_to_itself_begins_when_it_has_had_its_turn() {
    paused(async {
        let (log, handle) = (Log::default(), Arc::new(OnceLock::<Engine>::new()));
        let (sink, own) = (log.clone(), Arc::clone(&handle));
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(move |envelope: Envelope<u64>| {
                let (n, sink, own) = (*envelope.payload(), sink.clone(), Arc::clone(&own));
                async move {
                    sink.push(format!("begin {n}"));
                    if n > 0 {
                        // Sent within the turn, and not waited for.
                        let again = own.get().unwrap().clone();
                        let mut inner =
                            Box::pin(async move { again.dispatch(TOPIC, Envelope::typed(n - 1)).await });
                        assert!(poll!(&mut inner).is_pending());
                    }
                    sink.push(format!("end {n}"));
                }
            }))
            .freeze()
            .unwrap();
        handle.set(engine.clone()).unwrap();
        engine.dispatch(TOPIC, Envelope::typed(0_u64)).await.unwrap();
        log.take();
        engine.dispatch(TOPIC, Envelope::typed(3_u64)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let expected: Vec<_> =
            (0..=3).rev().flat_map(|n| [format!("begin {n}"), format!("end {n}")]).collect();
        assert_eq!(log.take(), expected);
        assert_eq!((engine.in_flight(), engine.health()), (0, EngineHealth::Ready));
    });
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_panic_in_one_turn_leaves_the_others_theirs() {
    paused(async {
        let engine = builder()
            .dispatcher(
                on_event("panics").route_all().run(|_: Envelope| Act::Panic("first part".to_owned()).run()),
            )
            .dispatcher(on_event("bomb").route_all().run(|_: Envelope| {
                let bomb = Bomb;
                async move {
                    let _held = bomb;
                }
            }))
            .dispatcher(on_event("fine").route_all().run(|_: Envelope| async { "f.ine" }))
            .freeze()
            .unwrap();
        for _ in 0..3 {
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            let statuses: Vec<_> = result.outcomes().map(|outcome| outcome.status()).collect();
            let failed = DispatchStatus::DispatcherError;
            assert_eq!(statuses, [failed, failed, DispatchStatus::Success]);
        }
        let metrics = engine.metrics().await.unwrap();
        assert!(
            metrics.dispatcher_metrics.values().all(|own| (own.execution_count, own.in_flight) == (3, 0))
        );
    });
}

#[test]
fn a_handler_that_began_in_the_routers_turn_is_woken_and_timed_out_like_any_other() {
    paused(async {
        let limit = Duration::from_millis(100);
        let engine =
            builder().dispatcher(on_event("a").timeout(limit).route_all().run(Act::obey)).freeze().unwrap();
        for _ in 0..3 {
            let answered = engine.dispatch(TOPIC, Act::ok().after(50).envelope()).await.unwrap();
            assert_eq!(
                (answered.status(), answered.duration()),
                (DispatchStatus::Success, Duration::from_millis(50))
            );
            let late = engine.dispatch(TOPIC, Act::Hang.envelope()).await.unwrap();
            assert_eq!((late.status(), late.duration()), (DispatchStatus::Timeout, limit));
        }
    });
}

/// Envelopes that are sent together, and how long it takes until the next are sent.
fn bursts() -> impl Strategy<Value = Vec<(Vec<bool>, u64)>> {
    vec((vec(any::<bool>(), 1..4), 0..3_u64), 1..20)
}

proptest! {
    #![proptest_config(cases(64))]

    /// Single envelopes may begin in the router's turn, bursts never do; some answer at once, some do not.
    #[test]
    fn work_begins_in_the_order_of_arrival_whoevers_turn_it_is(bursts in bursts(), limited in any::<bool>()) {
        let (begun, most) = paused(async {
            let log = Log::default();
            let sink = log.clone();
            let running = Arc::new(Mutex::new((0_u32, 0_u32)));
            let gauge = Arc::clone(&running);
            let work = move |envelope: Envelope<(usize, bool)>| {
                let ((n, at_once), sink, gauge) = (*envelope.payload(), sink.clone(), Arc::clone(&gauge));
                async move {
                    sink.push(n.to_string());
                    {
                        let mut gauge = gauge.lock().unwrap();
                        gauge.0 += 1;
                        gauge.1 = gauge.1.max(gauge.0);
                    }
                    if !at_once {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    gauge.lock().unwrap().0 -= 1;
                    Ok::<_, DispatcherError>(())
                }
            };
            let dispatcher = on_event("a").route_all();
            let dispatcher = if limited { dispatcher.concurrency(1) } else { dispatcher };
            let engine = builder().dispatcher(dispatcher.run(work)).freeze().unwrap();
            let (mut n, mut tasks) = (0, Vec::new());
            for (burst, pause) in bursts {
                for at_once in burst {
                    let (engine, envelope) = (engine.clone(), Envelope::typed((n, at_once)));
                    tasks.push(actix::spawn(async move { engine.dispatch(TOPIC, envelope).await }));
                    n += 1;
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            for task in tasks {
                assert!(task.await.unwrap().unwrap().is_successful());
            }
            let most = running.lock().unwrap().1;
            (log.take(), most)
        });
        prop_assert_eq!(&begun, &(0..begun.len()).map(|n| n.to_string()).collect::<Vec<_>>());
        prop_assert!(!limited || most == 1, "{} at a time", most);
    }
}
