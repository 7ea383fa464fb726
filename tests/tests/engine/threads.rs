//! Callers on other threads, with other runtimes or none. These tests run in real time.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use dispatch_actors::{Engine, EngineBuilder, EngineHealth, Refused, on_event};
use dispatch_core::{Clock, DispatchStatus, Envelope, ErrorCode};
use dispatch_tests::support::{Act, Logs, builder, empty};
use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tracing::Level;

use crate::{TOPIC, outputs};

fn engine() -> Engine {
    builder().dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap()
}

fn multi_thread() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn an_engine_serves_a_multi_threaded_tokio_program() {
    let engine = engine();
    multi_thread().block_on(async {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    for n in 0..50 {
                        let act = Act::Return(vec![format!("c{caller}.n{n}")]);
                        let result = engine.dispatch(TOPIC, act.envelope()).await.unwrap();
                        assert_eq!(outputs(&result), [format!("c{caller}.n{n}")]);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(engine.metrics().await.unwrap().successful_dispatches, 400);
        assert_eq!(engine.shutdown(Duration::from_secs(5)).await.unwrap().abandoned, 0);
    });
}

#[test]
fn a_caller_needs_no_runtime() {
    let watched = builder().configure(|config| config.stall_warn = Duration::from_secs(30));
    for builder in [builder(), watched] {
        let engine = builder.dispatcher(on_event("a").route_all().run(Act::obey)).freeze().unwrap();
        assert!(tokio::runtime::Handle::try_current().is_err());
        let result = futures_block_on(engine.dispatch(TOPIC, Act::ok().after(5).envelope())).unwrap();
        assert!(result.is_successful());
        let results = futures_block_on(engine.dispatch_many((0..100).map(|_| (TOPIC, Act::ok().envelope()))));
        assert!(results.iter().all(|result| result.as_ref().unwrap().is_successful()));
        assert_eq!(
            futures_block_on(engine.route(TOPIC, Act::ok().envelope())).unwrap().status(),
            DispatchStatus::Routed
        );
        assert_eq!(futures_block_on(engine.metrics()).unwrap().dispatcher_error_count, 0);
        futures_block_on(engine.shutdown(Duration::from_secs(5))).unwrap();
    }
}

/// The simplest of executors: a thread that is parked until it is woken.
fn futures_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn a_handle_moves_between_threads_while_the_engine_lives_on_its_own() {
    let engine = engine();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let engine = engine.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    assert!(
                        futures_block_on(engine.dispatch(TOPIC, Act::ok().envelope()))
                            .unwrap()
                            .is_successful()
                    );
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(futures_block_on(engine.metrics()).unwrap().total_dispatches, 400);
}

/// An engine with a handler that blocks the engine's own thread for so long, and one that does not.
fn blocked(logs: &Logs) -> EngineBuilder {
    Engine::builder()
        .configure(|config| {
            config.timeout = Duration::from_millis(100);
            config.stall_warn = Duration::from_millis(100);
        })
        .subscriber(tracing::Dispatch::new(logs.clone()))
        .dispatcher(on_event("sleeper").types(["Sleep"]).route_all().run(|envelope: Envelope<u64>| {
            // What a handler must not do.
            thread::sleep(Duration::from_millis(*envelope.payload()));
            async {}
        }))
        .dispatcher(on_event("quick").types(["empty"]).route_all().run(|_: Envelope| async {}))
}

fn block(ms: u64) -> Envelope {
    Envelope::typed(ms).with_message_type("Sleep")
}

#[test]
fn callers_on_other_threads_get_a_time_out_when_the_engines_thread_is_blocked() {
    let logs = Logs::new();
    let engine = blocked(&logs).freeze().unwrap();
    multi_thread().block_on(async {
        let blocking = {
            let engine = engine.clone();
            tokio::spawn(async move { engine.dispatch(TOPIC, block(2500)).await.unwrap() })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        // The engine's time-out and a second of patience.
        assert!(begun.elapsed() < Duration::from_millis(2000), "{:?}", begun.elapsed());
        assert_eq!(
            (result.status(), result.error_code()),
            (DispatchStatus::Timeout, Some(ErrorCode::Timeout))
        );
        assert_eq!((result.topic(), result.message_type().unwrap().as_str()), (TOPIC, "empty"));
        assert_eq!(blocking.await.unwrap().status(), DispatchStatus::Timeout);
        let warned = logs.entries().into_iter().find(|entry| entry.message.contains("blocked")).unwrap();
        assert_eq!((warned.level, warned.get("dispatcher_id")), (Level::WARN, Some("sleeper")));
        let recovered = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert!([DispatchStatus::Success, DispatchStatus::Timeout].contains(&recovered.status()));
    });
}

#[test]
fn a_batch_from_another_thread_gets_its_time_outs_too() {
    let engine = blocked(&Logs::new()).freeze().unwrap();
    multi_thread().block_on(async {
        engine.dispatch(TOPIC, block(3000)).now_or_never();
        let begun = Instant::now();
        let results = engine.dispatch_many([(TOPIC, empty()), (TOPIC, empty())]).await;
        assert!(begun.elapsed() < Duration::from_millis(2000), "{:?}", begun.elapsed());
        assert!(results.iter().all(|result| result.as_ref().unwrap().status() == DispatchStatus::Timeout));
    });
}

#[test]
fn a_caller_that_waits_for_a_permit_gets_its_time_out_too() {
    let engine = blocked(&Logs::new()).configure(|config| config.max_in_flight = 1).freeze().unwrap();
    multi_thread().block_on(async {
        engine.dispatch(TOPIC, block(3000)).now_or_never();
        let begun = Instant::now();
        let many = engine.dispatch_many([(TOPIC, empty()), (TOPIC, empty())]);
        let (one, routed, many) =
            tokio::join!(engine.dispatch(TOPIC, empty()), engine.route(TOPIC, empty()), many);
        assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
        for result in [one, routed].into_iter().chain(many) {
            assert_eq!(result.unwrap().status(), DispatchStatus::Timeout);
        }
        assert_eq!(engine.in_flight(), 1, "they have taken nothing");
    });
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}

#[test]
fn the_result_for_a_blocked_engine_has_the_engines_time_and_ids_of_its_seed() {
    let engine = || {
        let seeded = blocked(&Logs::new()).clock(Still).configure(|config| config.seed = Some(7));
        seeded.freeze().unwrap()
    };
    let (one, other) = (engine(), engine());
    multi_thread().block_on(async {
        for engine in [&one, &other] {
            engine.dispatch(TOPIC, block(2500)).now_or_never();
        }
        let (one, other) = tokio::join!(one.dispatch(TOPIC, empty()), other.dispatch(TOPIC, empty()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.status(), DispatchStatus::Timeout);
        assert_eq!(one.started_at(), Still.now() - Duration::from_millis(1100));
        assert_eq!(
            (one.dispatch_id(), one.span_id(), one.correlation_id()),
            (other.dispatch_id(), other.span_id(), other.dispatch_id())
        );
    });
}

#[test]
fn callers_have_the_patience_of_the_time_out_that_a_reload_set() {
    let logs = Logs::new();
    let slow = |builder: EngineBuilder| builder.configure(|config| config.timeout = Duration::from_secs(60));
    let engine = slow(blocked(&logs)).freeze().unwrap();
    multi_thread().block_on(async {
        let next = Engine::builder()
            .configure(|config| config.timeout = Duration::from_millis(100))
            .keep("sleeper")
            .keep("quick");
        engine.reload(next).await.unwrap();
        engine.dispatch(TOPIC, block(2500)).now_or_never();
        let begun = Instant::now();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(2000), "{:?}", begun.elapsed());
        assert_eq!(result.status(), DispatchStatus::Timeout);
    });
}

#[test]
fn a_dispatcher_may_take_longer_than_the_engines_time_out_if_it_says_so() {
    let engine = Engine::builder()
        .configure(|config| config.timeout = Duration::from_millis(100))
        .dispatcher(on_event("a").timeout(Duration::from_secs(30)).route_all().run(Act::obey))
        .freeze()
        .unwrap();
    multi_thread().block_on(async {
        let result = engine.dispatch(TOPIC, Act::ok().after(1300).envelope()).await.unwrap();
        assert_eq!((result.status(), result.error_message()), (DispatchStatus::Success, None));
    });
}

#[test]
fn callers_are_answered_when_the_engines_arbiter_dies() {
    let (tell, told) = std::sync::mpsc::channel();
    let system = thread::spawn(move || {
        actix::System::new().block_on(async {
            let arbiter = actix::Arbiter::new();
            let (answer, answered) = tokio::sync::oneshot::channel();
            arbiter.spawn_fn(move || {
                let engine = builder()
                    .dispatcher(on_event("a").route_all().run(Act::obey))
                    .dispatcher(on_event("b").types(["Act"]).route_all().run(Act::obey))
                    .freeze()
                    .unwrap();
                drop(answer.send(engine));
            });
            let engine = answered.await.unwrap();
            let callers: Vec<_> = ["Act", "single"]
                .map(|kind| {
                    let engine = engine.clone();
                    thread::spawn(move || {
                        futures_block_on(engine.dispatch(TOPIC, Act::Hang.envelope().with_message_type(kind)))
                    })
                })
                .into();
            while engine.in_flight() < 2
                || engine.metrics().await.unwrap().dispatcher("b").unwrap().in_flight < 1
            {
                tokio::task::yield_now().await;
            }
            arbiter.stop();
            for caller in callers {
                tell.send(caller.join().unwrap()).unwrap();
            }
            tell.send(futures_block_on(engine.dispatch(TOPIC, empty()))).unwrap();
            assert_eq!(engine.health(), EngineHealth::Stopping);
        });
    });
    for _ in 0..2 {
        match told.recv_timeout(Duration::from_secs(10)).expect("a caller is not left hanging") {
            Ok(result) => assert_eq!(result.status(), DispatchStatus::DispatcherError),
            Err(refused) => assert_eq!(refused, Refused::InvalidState),
        }
    }
    let after = told.recv_timeout(Duration::from_secs(10)).expect("a caller is not left hanging");
    assert_eq!(after.unwrap_err(), Refused::InvalidState);
    system.join().unwrap();
}
