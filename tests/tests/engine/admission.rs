//! How many dispatches an engine takes at a time.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::{Engine, IntoTopic, Refused, TopicArg, on_event};
use dispatch_core::{DispatchStatus, Envelope, ErrorCode};
use dispatch_tests::support::{Act, builder, cases, empty, paused};
use futures_util::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::{TOPIC, ids};

fn engine(max_in_flight: usize) -> Engine {
    builder()
        .configure(|config| config.max_in_flight = max_in_flight)
        .dispatcher(on_event("a").route_all().run(Act::obey))
        .freeze()
        .unwrap()
}

fn spawn(engine: &Engine, act: Act) -> tokio::task::JoinHandle<dispatch_core::DispatchResult> {
    let engine = engine.clone();
    actix::spawn(async move { engine.dispatch(TOPIC, act.envelope()).await.unwrap() })
}

#[test]
fn dispatch_waits_for_a_permit_and_try_dispatch_does_not() {
    paused(async {
        let engine = engine(2);
        let held = [spawn(&engine, Act::ok().after(100)), spawn(&engine, Act::ok().after(200))];
        tokio::task::yield_now().await;
        assert_eq!(engine.in_flight(), 2);
        let refused = engine.try_dispatch(TOPIC, Act::ok().envelope()).await.unwrap_err();
        assert_eq!(
            (refused.clone(), refused.code()),
            (Refused::Overloaded { max: 2 }, ErrorCode::Overloaded)
        );
        assert!(refused.is_retryable());
        let begun = Instant::now();
        assert!(engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        assert_eq!(begun.elapsed(), Duration::from_millis(100));
        assert!(engine.try_dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        for dispatch in held {
            assert!(dispatch.await.unwrap().is_successful());
        }
        let metrics = engine.metrics().await.unwrap();
        assert_eq!((metrics.total_dispatches, metrics.overloaded_count), (4, 1), "a refusal is no dispatch");
    });
}

#[test]
fn who_waits_longest_is_served_first() {
    paused(async {
        let engine = engine(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut dispatches = Vec::new();
        for n in 0..8 {
            let (engine, order) = (engine.clone(), Arc::clone(&order));
            dispatches.push(actix::spawn(async move {
                engine.dispatch(TOPIC, Act::ok().after(10).envelope()).await.unwrap();
                order.lock().unwrap().push(n);
            }));
            tokio::task::yield_now().await;
        }
        for dispatch in dispatches {
            dispatch.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    });
}

#[test]
fn dispatch_many_may_be_larger_than_the_limit() {
    paused(async {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
        let engine = builder()
            .configure(|config| config.max_in_flight = 7)
            .dispatcher(on_event("a").route_all().run(move |envelope: Envelope<u64>| {
                let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
                async move {
                    peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    sleep(Duration::from_millis(envelope.payload() * 13 % 50)).await;
                    running.fetch_sub(1, SeqCst);
                    format!("n.{}", envelope.payload())
                }
            }))
            .freeze()
            .unwrap();
        let results = engine.dispatch_many((0..200).map(|n: u64| (TOPIC, Envelope::typed(n)))).await;
        let order: Vec<_> =
            results.iter().map(|result| crate::outputs(result.as_ref().unwrap())[0].to_owned()).collect();
        assert_eq!(order, (0..200).map(|n| format!("n.{n}")).collect::<Vec<_>>());
        assert_eq!(most.load(SeqCst), 7);
        assert!(engine.dispatch_many([] as [(&str, Envelope); 0]).await.is_empty());
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn route_answers_when_the_envelope_is_handed_over_and_metrics_follow() {
    paused(async {
        let engine = engine(1);
        let begun = Instant::now();
        let result = engine.route(TOPIC, Act::Fail("later".into()).after(100).envelope()).await.unwrap();
        assert_eq!((result.status(), ids(&result)), (DispatchStatus::Routed, vec!["a"]));
        assert_eq!(
            (begun.elapsed(), result.outcomes().count(), result.is_terminal()),
            (Duration::ZERO, 0, false)
        );
        assert_eq!(engine.in_flight(), 1, "its permit is taken until it is done");
        assert_eq!(engine.metrics().await.unwrap().total_dispatches, 0);
        assert_eq!(engine.dispatcher_metrics("a").await.unwrap().unwrap().in_flight, 1);
        sleep(Duration::from_millis(101)).await;
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(
            (metrics.total_dispatches, metrics.failed_dispatches, metrics.dispatcher_error_count),
            (1, 1, 1)
        );
        assert_eq!(metrics.dispatcher("a").unwrap().last_error_message.as_deref(), Some("IoError: later"));
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn route_says_so_when_nothing_matches() {
    paused(async {
        let engine = engine(1);
        for (topic, status) in
            [("a.commands", DispatchStatus::NoDispatcher), ("a", DispatchStatus::InvalidMessage)]
        {
            assert_eq!(engine.route(topic, empty()).await.unwrap().status(), status);
        }
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn dropping_the_future_of_a_dispatch_does_not_cancel_it() {
    paused(async {
        let engine = engine(10);
        assert!(engine.dispatch(TOPIC, Act::ok().after(50).envelope()).now_or_never().is_none());
        assert_eq!(engine.in_flight(), 1);
        sleep(Duration::from_millis(51)).await;
        assert_eq!(engine.in_flight(), 0);
        assert_eq!(engine.metrics().await.unwrap().successful_dispatches, 1);
    });
}

proptest! {
    #![proptest_config(cases(64))]

    /// Callers give up while they wait for a permit, while their dispatch runs, or never.
    #[test]
    fn callers_that_give_up_leak_no_permit(
        callers in vec((0u64..100, 0u64..60, prop::option::of(0u64..120), 0u8..4), 1..60),
        max in 1usize..5,
    ) {
        paused(async {
            let engine = engine(max);
            let answered = Rc::new(Cell::new(0));
            let mut tasks = Vec::new();
            for (begin, work, patience, call) in callers.clone() {
                let (engine, answered) = (engine.clone(), Rc::clone(&answered));
                tasks.push(actix::spawn(async move {
                    sleep(Duration::from_millis(begin)).await;
                    let envelope = || Act::ok().after(work).envelope();
                    let call = async {
                        match call {
                            0 => { engine.dispatch(TOPIC, envelope()).await.unwrap(); }
                            1 => drop(engine.try_dispatch(TOPIC, envelope()).await),
                            2 => { engine.route(TOPIC, envelope()).await.unwrap(); }
                            _ => { engine.dispatch_many([(TOPIC, envelope()), ("no", envelope())]).await; }
                        }
                        assert!(engine.in_flight() <= max);
                    };
                    match patience {
                        None => call.await,
                        Some(ms) => drop(tokio::time::timeout(Duration::from_millis(ms), call).await),
                    }
                    answered.set(answered.get() + 1);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            // What was begun finishes without its callers.
            sleep(Duration::from_secs(10)).await;
            assert_eq!((engine.in_flight(), answered.get()), (0, callers.len()));
            let results = engine.dispatch_many((0..max + 1).map(|_| (TOPIC, Act::ok().envelope()))).await;
            assert!(results.iter().all(|result| result.as_ref().unwrap().is_successful()));
            let metrics = engine.metrics().await.unwrap();
            assert_eq!(metrics.total_dispatches, metrics.successful_dispatches + metrics.failed_dispatches);
        });
    }
}

/// A topic whose conversion panics.
struct Bad;

impl IntoTopic for Bad {
    fn into_topic(self) -> TopicArg {
        panic!("no topic")
    }
}

#[test]
fn a_topic_that_panics_costs_no_permit() {
    paused(async {
        let engine = engine(1);
        for _ in 0..3 {
            assert!(AssertUnwindSafe(engine.dispatch(Bad, empty())).catch_unwind().await.is_err());
            assert!(AssertUnwindSafe(engine.try_dispatch(Bad, empty())).catch_unwind().await.is_err());
            assert!(AssertUnwindSafe(engine.route(Bad, empty())).catch_unwind().await.is_err());
            assert!(AssertUnwindSafe(engine.dispatch_many([(Bad, empty())])).catch_unwind().await.is_err());
            assert_eq!(engine.in_flight(), 0);
        }
        assert!(engine.try_dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
    });
}
