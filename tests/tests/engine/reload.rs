//! Replacing the table of a running engine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::{Deliver, Engine, EngineBuilder, EngineHealth, ReloadError, on_event};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{
    Category, DispatchStatus, DispatcherError, Envelope, ErrorCode, IntoOutputs, Outputs, Route,
};
use dispatch_tests::support::{Act, Puppet, builder, cases, empty, paused};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::sleep;

use crate::{TOPIC, ids, outputs, to};

/// A table of dispatchers that do what they are told, in this order.
fn table(ids: &[&str]) -> EngineBuilder {
    ids.iter().fold(builder(), |builder, id| builder.dispatcher(on_event(*id).run(Act::obey)).route(to(id)))
}

/// Counts what it has seen.
#[derive(Default)]
struct Counter(u64);

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Counter {
    type Result = Result<Outputs, DispatcherError>;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        self.0 += 1;
        format!("count.{}", self.0).into_outputs()
    }
}

#[test]
fn a_dispatcher_that_stays_keeps_its_actor_its_state_and_its_metrics() {
    paused(async {
        let counter = || on_event("counter").actor(Counter::default);
        let mut n = 0;
        let closure = on_event("closure").run(move |_: Envelope| {
            n += 1;
            std::future::ready(format!("n.{n}"))
        });
        let engine = builder()
            .dispatcher(counter())
            .dispatcher(closure)
            .dispatcher(on_event("old").run(|_: Envelope| async {}))
            .routes(["counter", "closure", "old"].map(to))
            .freeze()
            .unwrap();
        assert_eq!(outputs(&engine.dispatch(TOPIC, empty()).await.unwrap()), ["count.1", "n.1"]);
        let next = builder()
            .dispatcher(on_event("new").run(|_: Envelope| async {}))
            .dispatcher(counter())
            .keep("closure")
            .routes(["closure", "new", "counter"].map(to));
        let report = engine.reload(next).await.unwrap();
        assert_eq!(
            (report.version, report.started, report.retired),
            (1, vec!["new".into()], vec!["old".into()])
        );
        assert_eq!(report.kept, ["counter", "closure"]);
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(
            (ids(&result), outputs(&result)),
            (vec!["closure", "new", "counter"], vec!["n.2", "count.2"])
        );
        let metrics = engine.metrics().await.unwrap();
        assert_eq!(metrics.dispatcher("counter").unwrap().execution_count, 2);
    });
}

#[test]
fn a_failed_reload_changes_nothing() {
    paused(async {
        let engine = table(&["a", "b"]).freeze().unwrap();
        let before = (engine.explain(TOPIC, None, "Act").await.unwrap(), engine.children().await.unwrap());
        let bad = [
            (table(&["a"]).route(to("missing")), ErrorCode::ItemNotRegistered),
            (table(&["a", "a"]), ErrorCode::DuplicateRegistration),
            (builder().keep("missing"), ErrorCode::ItemNotRegistered),
            (table(&["a"]).configure(|config| config.max_in_flight = 0), ErrorCode::InvalidParameter),
            (table(&["a"]).publish_to_self(), ErrorCode::InvalidConfiguration),
        ];
        for (bad, code) in bad {
            let Err(ReloadError::Registration(error)) = engine.reload(bad).await else { panic!("refused") };
            assert!(error.codes().contains(&code), "{error}");
        }
        assert_eq!(
            (engine.explain(TOPIC, None, "Act").await.unwrap(), engine.children().await.unwrap()),
            before
        );
        assert_eq!(ids(&engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap()), ["a", "b"]);
        assert_eq!(engine.reload(table(&["b"])).await.unwrap().version, 1);
    });
}

#[test]
fn what_is_in_flight_finishes_on_the_old_table() {
    paused(async {
        let engine = table(&["old"]).freeze().unwrap();
        let running = {
            let engine = engine.clone();
            actix::spawn(async move {
                engine.dispatch(TOPIC, Act::Return(vec!["o.ld".into()]).after(500).envelope()).await.unwrap()
            })
        };
        sleep(Duration::from_millis(1)).await;
        assert_eq!(engine.reload(table(&["new"])).await.unwrap().retired, ["old"]);
        assert_eq!(ids(&engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap()), ["new"]);
        let result = running.await.unwrap();
        assert_eq!(
            (result.status(), ids(&result), outputs(&result)),
            (DispatchStatus::Success, vec!["old"], vec!["o.ld"])
        );
    });
}

#[test]
fn what_waits_for_a_retired_dispatcher_is_still_served() {
    paused(async {
        let one =
            |id: &'static str| builder().dispatcher(on_event(id).concurrency(1).run(Act::obey)).route(to(id));
        let engine = one("old").freeze().unwrap();
        let waiting = {
            let engine = engine.clone();
            actix::spawn(async move {
                engine.dispatch_many((0..5).map(|_| (TOPIC, Act::ok().after(100).envelope()))).await
            })
        };
        sleep(Duration::from_millis(1)).await;
        engine.reload(one("new")).await.unwrap();
        assert!(waiting.await.unwrap().iter().all(|result| result.as_ref().unwrap().is_successful()));
    });
}

#[test]
fn limits_of_a_kept_dispatcher_change_with_the_table() {
    paused(async {
        let limited = |ms| {
            let timeout = Duration::from_millis(ms);
            builder().dispatcher(on_event("a").timeout(timeout).run(Act::obey)).route(to("a"))
        };
        let engine = limited(100).freeze().unwrap();
        for (ms, status) in
            [(100, DispatchStatus::Timeout), (300, DispatchStatus::Success), (50, DispatchStatus::Timeout)]
        {
            engine.reload(limited(ms)).await.unwrap();
            let result = engine.dispatch(TOPIC, Act::ok().after(200).envelope()).await.unwrap();
            assert_eq!((result.status(), result.duration().as_millis()), (status, u128::from(ms.min(200))));
        }
    });
}

#[test]
fn reloads_at_the_same_time_happen_one_after_the_other() {
    paused(async {
        let engine = table(&["a"]).freeze().unwrap();
        let reloads = ["b", "c", "d", "e"].map(|id| {
            let engine = engine.clone();
            actix::spawn(async move { engine.reload(table(&[id])).await.unwrap().version })
        });
        let mut versions = Vec::new();
        for reload in reloads {
            versions.push(reload.await.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, [1, 2, 3, 4]);
        assert_eq!(
            engine.children().await.unwrap().len(),
            4,
            "router, aggregator, collector and one dispatcher"
        );
    });
}

#[test]
fn an_engine_without_its_dead_dispatcher_is_ready_again() {
    paused(async {
        let never = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        let engine = builder()
            .dispatcher(on_event("dead").restart(never).actor(Puppet::default))
            .route(to("dead"))
            .freeze()
            .unwrap();
        assert!(engine.dispatch(TOPIC, Act::Panic("x".into()).envelope()).await.unwrap().is_error());
        sleep(Duration::from_millis(1)).await;
        assert_eq!(engine.health(), EngineHealth::Degraded);
        engine.reload(table(&["alive"])).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(engine.health(), EngineHealth::Ready, "no dispatcher of the table is down");
    });
}

#[test]
fn a_stopped_engine_is_not_reloaded() {
    paused(async {
        let engine = table(&["a"]).freeze().unwrap();
        engine.shutdown(Duration::ZERO).await.unwrap();
        assert!(matches!(engine.reload(table(&["a"])).await, Err(ReloadError::Stopped)));
    });
}

proptest! {
    #![proptest_config(cases(48))]

    /// Callers dispatch while the table changes under them, again and again.
    #[test]
    fn every_dispatch_sees_the_old_table_or_the_new_one_and_never_a_mix(
        dispatches in vec((0u64..400, 0u64..40), 1..60),
        reloads in vec((0u64..60, 0usize..3), 1..12),
    ) {
        const TABLES: [&[&str]; 3] = [&["a", "b", "c"], &["c", "a"], &["b", "d", "a", "e"]];
        paused(async {
            let engine: Engine = table(TABLES[0]).freeze().unwrap();
            let current = Arc::new(Mutex::new((0, 0)));
            let mut callers = Vec::new();
            for (begin, work) in dispatches.clone() {
                let (engine, current) = (engine.clone(), Arc::clone(&current));
                callers.push(actix::spawn(async move {
                    sleep(Duration::from_millis(begin)).await;
                    let (before, in_force) = *current.lock().unwrap();
                    let result = engine.dispatch(TOPIC, Act::ok().after(work).envelope()).await.unwrap();
                    assert!(result.is_successful(), "{result:?}");
                    assert!(TABLES.contains(&&*ids(&result)), "{result:?}");
                    if current.lock().unwrap().0 == before {
                        assert_eq!(ids(&result), TABLES[in_force], "nothing changed meanwhile");
                    }
                }));
            }
            for (version, (pause, next)) in (1..).zip(reloads.clone()) {
                sleep(Duration::from_millis(pause)).await;
                assert_eq!(engine.reload(table(TABLES[next])).await.unwrap().version, version);
                *current.lock().unwrap() = (version, next);
                let result = engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
                assert_eq!(ids(&result), TABLES[next]);
            }
            for caller in callers {
                caller.await.unwrap();
            }
            let metrics = engine.metrics().await.unwrap();
            assert_eq!(metrics.total_dispatches, (dispatches.len() + reloads.len()) as u64);
            assert_eq!(metrics.failed_dispatches, 0);
        });
    }
}

#[test]
fn routes_alone_can_be_replaced() {
    paused(async {
        let engine = table(&["a", "b"]).freeze().unwrap();
        let routes = Route::new("only", "shop.**", Category::Event, "b");
        engine.reload(builder().keep("a").keep("b").route(routes)).await.unwrap();
        assert_eq!(ids(&engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap()), ["b"]);
    });
}
