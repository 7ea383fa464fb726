//! How an engine ends.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::{Engine, EngineActor, EngineHealth, GetEngine, Refused, RestartEngine, on_event};
use dispatch_core::{DispatchStatus, Envelope};
use dispatch_tests::support::{Act, Puppet, builder, empty, paused};
use tokio::time::{Instant, sleep};

use crate::{TOPIC, to};

fn engine() -> Engine {
    builder()
        .dispatcher(on_event("function").run(Act::obey))
        .dispatcher(on_event("actor").actor(Puppet::default))
        .dispatcher(on_event("queue").concurrency(1).run(Act::obey))
        .routes(["function", "actor", "queue"].map(to))
        .freeze()
        .unwrap()
}

fn spawn(
    engine: &Engine,
    act: Act,
) -> tokio::task::JoinHandle<Result<dispatch_core::DispatchResult, Refused>> {
    let engine = engine.clone();
    actix::spawn(async move { engine.dispatch(TOPIC, act.envelope()).await })
}

#[test]
fn a_graceful_shutdown_finishes_what_is_in_flight_and_admits_nothing_more() {
    paused(async {
        let engine = engine();
        let running = spawn(&engine, Act::ok().after(300));
        sleep(Duration::from_millis(1)).await;
        let stopping = {
            let engine = engine.clone();
            actix::spawn(async move { engine.shutdown(Duration::from_secs(5)).await.unwrap() })
        };
        sleep(Duration::from_millis(1)).await;
        assert_eq!(engine.health(), EngineHealth::Stopping);
        assert_eq!(engine.dispatch(TOPIC, empty()).await.unwrap_err(), Refused::InvalidState);
        assert_eq!(engine.try_dispatch(TOPIC, empty()).await.unwrap_err(), Refused::InvalidState);
        assert_eq!(engine.route(TOPIC, empty()).await.unwrap_err(), Refused::InvalidState);
        assert_eq!(
            engine.dispatch_many([(TOPIC, empty())]).await[0].as_ref().unwrap_err(),
            &Refused::InvalidState
        );
        assert!(running.await.unwrap().unwrap().is_successful());
        let report = stopping.await.unwrap();
        assert_eq!((report.abandoned, report.abandoned_by_dispatcher.len()), (0, 0));
        assert_eq!(report.elapsed.as_millis(), 299);
        assert_eq!(report.metrics.unwrap().successful_dispatches, 1);
    });
}

#[test]
fn what_is_not_finished_by_the_deadline_is_abandoned_by_name_and_answered() {
    paused(async {
        let engine = engine();
        let hanging = [spawn(&engine, Act::Hang), spawn(&engine, Act::Hang)];
        sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        let report = engine.shutdown(Duration::from_secs(2)).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        assert_eq!(report.abandoned, 2);
        let named = ["actor", "function", "queue"].map(|id| (id.into(), 2));
        assert_eq!(report.abandoned_by_dispatcher, named);
        for dispatch in hanging {
            let result = dispatch.await.unwrap().unwrap();
            assert_eq!(result.status(), DispatchStatus::DispatcherError);
            assert!(
                result
                    .error_message()
                    .unwrap()
                    .contains("'function' failed: dispatcher stopped before it answered")
            );
        }
        assert_eq!(report.metrics.unwrap().failed_dispatches, 2);
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn callers_that_wait_for_a_permit_are_let_go() {
    paused(async {
        let engine = builder()
            .configure(|config| config.max_in_flight = 1)
            .dispatcher(on_event("a").route_all().run(Act::obey))
            .freeze()
            .unwrap();
        let running = spawn(&engine, Act::ok().after(100));
        sleep(Duration::from_millis(1)).await;
        let waiting = [spawn(&engine, Act::ok()), spawn(&engine, Act::ok())];
        sleep(Duration::from_millis(1)).await;
        engine.shutdown(Duration::from_secs(1)).await.unwrap();
        assert!(running.await.unwrap().unwrap().is_successful());
        for dispatch in waiting {
            assert_eq!(dispatch.await.unwrap().unwrap_err(), Refused::InvalidState);
        }
    });
}

#[test]
fn an_engine_is_shut_down_once_and_its_last_metrics_stay() {
    paused(async {
        let engine = engine();
        assert!(engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        engine.shutdown(Duration::ZERO).await.unwrap();
        assert_eq!(engine.shutdown(Duration::ZERO).await.unwrap_err(), Refused::InvalidState);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(engine.metrics().await.unwrap().total_dispatches, 1);
        assert_eq!(engine.dispatcher_metrics("actor").await.unwrap().unwrap().success_count, 1);
        assert_eq!(engine.children().await.unwrap_err(), Refused::InvalidState);
        assert_eq!(engine.explain(TOPIC, None, "x").await.unwrap_err(), Refused::InvalidState);
    });
}

#[test]
fn the_engine_ends_with_its_last_handle_once_everything_is_finished() {
    paused(async {
        let held = Arc::new(());
        let lent = Arc::clone(&held);
        let engine = builder()
            .dispatcher(on_event("a").route_all().run(move |envelope: Envelope<Act>| {
                let _ = &lent;
                Act::obey(envelope)
            }))
            .freeze()
            .unwrap();
        engine.route(TOPIC, Act::ok().after(500).envelope()).await.unwrap();
        drop(engine.clone());
        sleep(Duration::from_millis(10)).await;
        assert_eq!(Arc::strong_count(&held), 2, "a handle is left");
        drop(engine);
        sleep(Duration::from_millis(400)).await;
        assert_eq!(Arc::strong_count(&held), 2, "a dispatch is under way");
        sleep(Duration::from_millis(100)).await;
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn the_thread_of_an_engine_ends_with_its_last_handle() {
    struct Tells(mpsc::Sender<std::thread::ThreadId>);

    impl Drop for Tells {
        fn drop(&mut self) {
            // The test may be over.
            let _ = self.0.send(std::thread::current().id());
        }
    }

    let (tell, told) = mpsc::channel();
    let tells = Tells(tell);
    let engine = builder()
        .dispatcher(on_event("a").route_all().run(move |_: Envelope| {
            let _ = &tells;
            async {}
        }))
        .freeze()
        .unwrap();
    assert!(futures_util::future::FutureExt::now_or_never(engine.dispatch(TOPIC, empty())).is_none());
    drop(engine);
    let thread = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_ne!(thread, std::thread::current().id());
}

#[test]
fn an_engine_can_be_a_child_in_its_users_tree() {
    paused(async {
        let child = Supervisor::start(|_| {
            EngineActor::new(|| builder().dispatcher(on_event("a").route_all().run(Act::obey)))
        });
        let first = child.send(GetEngine).await.unwrap().unwrap();
        assert!(first.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        child.send(RestartEngine).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(first.health(), EngineHealth::Stopping);
        let second = child.send(GetEngine).await.unwrap().unwrap();
        assert!(second.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        assert_eq!(second.metrics().await.unwrap().total_dispatches, 1, "it is a new one");
    });
}
