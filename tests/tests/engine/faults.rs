//! Dispatchers that panic and actors that die.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::{
    ChildKind, ChildState, Deliver, DispatcherDown, Engine, EngineHealth, Event, RestartStrategy, on_event,
};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{DispatchResult, DispatcherError, Envelope, IntoOutputs, Outputs};
use dispatch_tests::support::{Act, Puppet, builder, cases, empty, in_real_time, paused};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::{TOPIC, outputs, to};

const UNAVAILABLE: &str = "dispatcher unavailable";
const STOPPED: &str = "dispatcher stopped before it answered";

/// The error of the outcome of one dispatcher.
fn error(result: &DispatchResult, dispatcher: &str) -> Option<String> {
    let outcome = result.outcomes().find(|outcome| *outcome.dispatcher_id() == dispatcher).unwrap();
    outcome.error_message().map(str::to_owned)
}

/// An engine with a supervised puppet and a neighbour that always answers.
fn with_neighbour() -> dispatch_actors::EngineBuilder {
    builder()
        .dispatcher(on_event("puppet").actor(Puppet::default))
        .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
        .routes(["puppet", "neighbour"].map(to))
}

async fn tell(engine: &Engine, act: Act) -> Option<String> {
    let result = engine.dispatch(TOPIC, act.envelope()).await.unwrap();
    assert!(outputs(&result).contains(&"n.ok"), "the neighbour is not affected: {result:?}");
    error(&result, "puppet")
}

struct PanicsOnDrop(&'static str);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn a_panic_in_the_first_part_or_in_a_later_poll_is_the_outcome_of_that_dispatcher() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("first").run(|_: Envelope| {
                if true {
                    panic!("before the future");
                }
                async {}
            }))
            .dispatcher(on_event("poll").run(|_: Envelope| Act::Panic("in the first poll".into()).run()))
            .dispatcher(
                on_event("later").run(|_: Envelope| Act::Panic("in a later poll".into()).after(10).run()),
            )
            .dispatcher(on_event("secret").run(|_: Envelope| Act::Panic("the password is x".into()).run()))
            .dispatcher(on_event("number").run(|_: Envelope| async {
                if true {
                    std::panic::panic_any(7);
                }
            }))
            .dispatcher(on_event("pool").run_blocking(|_: Envelope| {
                if true {
                    panic!("in the pool")
                }
            }))
            .dispatcher(on_event("fine").run(|_: Envelope| async { "f.ok" }))
            .routes(["first", "poll", "later", "secret", "number", "pool", "fine"].map(to))
            .freeze()
            .unwrap();
        for _ in 0..3 {
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            assert_eq!(outputs(&result), ["f.ok"]);
            for (id, text) in [
                ("first", "panicked: before the future"),
                ("poll", "panicked: in the first poll"),
                ("later", "panicked: in a later poll"),
                ("secret", "panicked: [REDACTED - potentially sensitive data]"),
                ("number", "panicked: no message"),
                ("pool", "panicked: in the pool"),
            ] {
                assert_eq!(error(&result, id).as_deref(), Some(text));
            }
        }
        let metrics = engine.metrics().await.unwrap();
        assert!(["first", "later", "pool"].iter().all(|id| metrics.dispatcher(id).unwrap().panic_count == 3));
    });
}

#[test]
fn a_late_future_that_panics_while_it_is_dropped_is_a_time_out() {
    paused(async {
        let engine = builder()
            .configure(|config| config.timeout = Duration::from_millis(50))
            .dispatcher(on_event("puppet").run(|_: Envelope| async {
                let _mine = PanicsOnDrop("while it is dropped");
                std::future::pending::<()>().await;
            }))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        for _ in 0..3 {
            assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some("timed out after 50 ms"));
        }
    });
}

#[test]
fn a_panic_whose_payload_panics_when_dropped_is_still_one_panic() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("puppet").run(|_: Envelope| async {
                if true {
                    std::panic::panic_any(PanicsOnDrop("the payload"));
                }
            }))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        for _ in 0..3 {
            assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some("panicked: no message"));
        }
    });
}

#[test]
fn an_actor_that_panics_is_restarted_after_a_growing_pause_and_begins_anew() {
    paused(async {
        let lives = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&lives);
        let engine = builder()
            .dispatcher(on_event("puppet").actor(move || {
                made.fetch_add(1, SeqCst);
                Puppet::default()
            }))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        for (n, pause) in [50, 100, 200].into_iter().enumerate() {
            assert_eq!(tell(&engine, Act::Panic("boom".into())).await.as_deref(), Some("panicked: boom"));
            let begun = Instant::now();
            assert_eq!(tell(&engine, Act::ok()).await, None, "it waits for the next life");
            assert_eq!(begun.elapsed(), Duration::from_millis(pause));
            assert_eq!(lives.load(SeqCst), n as u64 + 2);
            assert_eq!(engine.health(), EngineHealth::Ready);
        }
        let metrics = engine.dispatcher_metrics("puppet").await.unwrap().unwrap();
        assert_eq!((metrics.restart_count, metrics.panic_count, metrics.success_count), (3, 3, 3));
    });
}

#[derive(Default)]
struct Boss(Arc<Mutex<Vec<String>>>);

impl Actor for Boss {
    type Context = Context<Self>;
}

impl Handler<DispatcherDown> for Boss {
    type Result = ();

    fn handle(&mut self, down: DispatcherDown, _: &mut Self::Context) {
        self.0.lock().unwrap().push(format!("{}/{}", down.engine, down.dispatcher_id));
    }
}

#[test]
fn an_actor_that_dies_too_often_is_down_and_everyone_is_told() {
    paused(async {
        let (told, observed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let sink = Arc::clone(&observed);
        let boss = Boss(Arc::clone(&told)).start();
        let engine = with_neighbour()
            .name("shop")
            .escalate_to(boss.recipient())
            .observer(move |event: &Event<'_>| match event {
                Event::Restarting { dispatcher_id, delay } => {
                    sink.lock().unwrap().push(format!("{dispatcher_id} in {} ms", delay.as_millis()));
                }
                Event::Down { dispatcher_id } => sink.lock().unwrap().push(format!("{dispatcher_id} down")),
                _ => {}
            })
            .freeze()
            .unwrap();
        for _ in 0..4 {
            assert_eq!(tell(&engine, Act::Panic("boom".into())).await.as_deref(), Some("panicked: boom"));
        }
        let begun = Instant::now();
        assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some(UNAVAILABLE));
        assert_eq!(begun.elapsed(), Duration::ZERO, "it is answered at once");
        assert_eq!(engine.health(), EngineHealth::Degraded);
        assert_eq!(
            *observed.lock().unwrap(),
            ["puppet in 50 ms", "puppet in 100 ms", "puppet in 200 ms", "puppet down"]
        );
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*told.lock().unwrap(), ["shop/puppet"]);
        let children = engine.children().await.unwrap();
        let child = |id: &str| children.iter().find(|child| child.id == id).unwrap();
        assert_eq!(
            (child("puppet").kind, child("puppet").state, child("puppet").restarts, child("puppet").strategy),
            (ChildKind::Actor, ChildState::Down, 3, RestartStrategy::Restart)
        );
        assert_eq!(
            (child("neighbour").kind, child("neighbour").state, child("neighbour").strategy),
            (ChildKind::Function, ChildState::Up, RestartStrategy::Guarded)
        );
        assert!(["router", "aggregator", "collector"].iter().all(|id| child(id).kind == ChildKind::Engine));
    });
}

#[test]
fn deaths_that_are_far_apart_never_add_up() {
    paused(async {
        let engine = with_neighbour().freeze().unwrap();
        for _ in 0..20 {
            assert_eq!(tell(&engine, Act::Panic("boom".into())).await.as_deref(), Some("panicked: boom"));
            sleep(Duration::from_secs(21)).await;
        }
        assert_eq!(engine.health(), EngineHealth::Ready);
    });
}

#[test]
fn a_dispatcher_has_a_restart_policy_of_its_own() {
    paused(async {
        let never = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
        let engine = builder()
            .dispatcher(on_event("puppet").restart(never).actor(Puppet::default))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        assert_eq!(tell(&engine, Act::Panic("boom".into())).await.as_deref(), Some("panicked: boom"));
        assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some(UNAVAILABLE));
    });
}

#[test]
fn what_an_actor_had_in_hand_when_it_stopped_is_answered() {
    paused(async {
        let engine = with_neighbour().freeze().unwrap();
        let acts = [Act::ok().after(10), Act::Hang, Act::Stop, Act::ok()];
        let results = engine.dispatch_many(acts.map(|act| (TOPIC, act.envelope()))).await;
        let errors: Vec<_> = results.iter().map(|result| error(result.as_ref().unwrap(), "puppet")).collect();
        assert_eq!(errors[2].as_deref(), Some(STOPPED));
        assert!(results.iter().all(|result| outputs(result.as_ref().unwrap()).contains(&"n.ok")));
        assert_eq!(engine.in_flight(), 0);
        assert_eq!(tell(&engine, Act::ok()).await, None);
    });
}

/// An actor whose answer is a future that panics after it has waited.
struct LatePanic;

impl Actor for LatePanic {
    type Context = Context<Self>;
}

impl Handler<Deliver> for LatePanic {
    type Result = ResponseFuture<Result<Outputs, DispatcherError>>;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        Box::pin(Act::Panic("in a later poll".into()).after(10).run())
    }
}

#[test]
fn a_panic_in_a_later_poll_of_an_actors_answer_is_its_outcome_too() {
    paused(async {
        let engine = builder().dispatcher(on_event("a").route_all().actor(|| LatePanic)).freeze().unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.error_message(), Some("Dispatcher 'a' failed: panicked: in a later poll"));
    });
}

#[test]
fn an_actor_that_dies_of_a_timer_of_its_own_is_restarted() {
    struct Bomb(Arc<AtomicU64>);

    impl Actor for Bomb {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            if self.0.fetch_add(1, SeqCst) == 0 {
                ctx.run_later(Duration::from_millis(10), |_, _| panic!("tick"));
            }
        }
    }

    impl Handler<Deliver> for Bomb {
        type Result = Result<Outputs, DispatcherError>;

        fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
            "b.ok".into_outputs()
        }
    }

    paused(async {
        let lives = Arc::new(AtomicU64::new(0));
        let made = Arc::clone(&lives);
        let engine = builder()
            .dispatcher(on_event("bomb").route_all().actor(move || Bomb(Arc::clone(&made))))
            .freeze()
            .unwrap();
        sleep(Duration::from_millis(20)).await;
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(outputs(&result), ["b.ok"]);
        assert_eq!(lives.load(SeqCst), 2);
    });
}

#[test]
fn a_factory_that_panics_is_a_death_like_any_other() {
    paused(async {
        let engine = builder()
            .dispatcher(on_event("puppet").actor(|| -> Puppet { panic!("no actor today") }))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some(UNAVAILABLE));
        let metrics = engine.dispatcher_metrics("puppet").await.unwrap().unwrap();
        assert_eq!(metrics.restart_count, 3);
        assert_eq!(engine.health(), EngineHealth::Degraded);
    });
}

#[test]
fn a_recipient_that_dies_is_unavailable_and_its_owners_to_restart() {
    paused(async {
        let address = Puppet::default().start();
        let engine = builder()
            .dispatcher(on_event("puppet").recipient(address.clone().recipient()))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        assert_eq!(tell(&engine, Act::ok()).await, None);
        assert_eq!(tell(&engine, Act::Stop).await.as_deref(), Some(STOPPED));
        assert_eq!(tell(&engine, Act::ok()).await.as_deref(), Some(UNAVAILABLE));
        let children = engine.children().await.unwrap();
        let child = children.iter().find(|child| child.id == "puppet").unwrap();
        assert_eq!((child.state, child.strategy), (ChildState::Down, RestartStrategy::Owner));
    });
}

#[test]
fn the_death_of_a_recipient_is_noticed_by_the_next_dispatch_and_escalated_once() {
    paused(async {
        let told = Arc::new(Mutex::new(Vec::new()));
        let address = Puppet::default().start();
        let engine = builder()
            .escalate_to(Boss(Arc::clone(&told)).start().recipient())
            .dispatcher(on_event("puppet").route_all().recipient(address.recipient()))
            .freeze()
            .unwrap();
        for (act, answer) in [(Act::Stop, STOPPED), (Act::ok(), UNAVAILABLE), (Act::ok(), UNAVAILABLE)] {
            let result = engine.dispatch(TOPIC, act.envelope()).await.unwrap();
            assert_eq!(error(&result, "puppet").as_deref(), Some(answer));
        }
        assert_eq!(engine.health(), EngineHealth::Degraded, "a dispatcher is down");
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*told.lock().unwrap(), ["engine/puppet"]);
    });
}

#[test]
fn the_death_of_an_arbiter_is_the_death_of_its_actors() {
    in_real_time(async {
        let arbiter = Arbiter::new();
        let once = RestartPolicy { max_restarts: 1, backoff: Duration::ZERO, ..RestartPolicy::default() };
        let engine = builder()
            .dispatcher(on_event("puppet").on(arbiter.handle()).restart(once).actor(Puppet::default))
            .dispatcher(on_event("neighbour").run(|_: Envelope| async { "n.ok" }))
            .routes(["puppet", "neighbour"].map(to))
            .freeze()
            .unwrap();
        assert_eq!(tell(&engine, Act::ok()).await, None);
        let hanging = engine.clone();
        let hanging = actix::spawn(async move { tell(&hanging, Act::Hang).await });
        tokio::task::yield_now().await;
        arbiter.stop();
        let left = hanging.await.unwrap().unwrap();
        assert!([STOPPED, UNAVAILABLE].contains(&left.as_str()), "{left}");
        let end = tell(&engine, Act::ok()).await.unwrap();
        assert!([STOPPED, UNAVAILABLE].contains(&end.as_str()), "{end}");
        assert_eq!(engine.in_flight(), 0);
    });
}

/// What comes next, and how long after what came before.
fn schedule() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let act = prop_oneof![
        4 => Just(Act::ok()),
        2 => (1u64..80).prop_map(|ms| Act::ok().after(ms)),
        1 => Just(Act::Fail("no".into())),
        2 => Just(Act::Panic("boom".into())),
        2 => Just(Act::Stop),
        1 => Just(Act::Hang),
    ];
    vec((prop_oneof![Just(0), 0u64..60, Just(20_000)], act), 1..40)
}

proptest! {
    #![proptest_config(cases(96))]

    /// Deaths at any moment, with anything in hand, in the pause between two lives and after the last one.
    #[test]
    fn every_dispatch_has_exactly_one_result_whatever_the_actor_dies_of(schedule in schedule()) {
        paused(async {
            let engine = with_neighbour()
                .configure(|config| config.timeout = Duration::from_millis(300))
                .freeze()
                .unwrap();
            let mut dispatches = Vec::new();
            for (pause, act) in &schedule {
                sleep(Duration::from_millis(*pause)).await;
                let (engine, act) = (engine.clone(), act.clone());
                dispatches.push((act.clone(), actix::spawn(async move { tell(&engine, act).await })));
            }
            let (mut panics, mut errors, mut timeouts) = (0, 0, 0);
            for (act, dispatch) in dispatches {
                let answer = dispatch.await.unwrap();
                let answer = answer.as_deref();
                match (&act, answer) {
                    (_, Some(UNAVAILABLE | STOPPED)) => errors += 1,
                    (_, Some("timed out after 300 ms")) => timeouts += 1,
                    (Act::Return(_) | Act::Sleep(..), None) => {}
                    (Act::Fail(_), Some("IoError: no")) => errors += 1,
                    (Act::Panic(_), Some("panicked: boom")) => panics += 1,
                    unexpected => panic!("{unexpected:?}"),
                }
            }
            assert_eq!(engine.in_flight(), 0);
            let all = schedule.len() as u64;
            let metrics = engine.metrics().await.unwrap();
            let puppet = metrics.dispatcher("puppet").unwrap();
            assert_eq!(metrics.total_dispatches, all);
            assert_eq!(
                (puppet.execution_count, puppet.panic_count, puppet.error_count, puppet.timeout_count),
                (all, panics, panics + errors, timeouts)
            );
            assert_eq!(metrics.dispatcher("neighbour").unwrap().success_count, all);
        });
    }
}
