//! Actors that the engine makes, and the futures their handlers may answer with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actix::prelude::*;
use dispatch_actors::{Deliver, Engine, on_event};
use dispatch_core::{DispatchResult, DispatchStatus, DispatcherError, Outputs};
use dispatch_tests::support::{Act, Logs, builder, empty, paused};
use tokio::time::sleep;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{TOPIC, outputs, to};

type Delivered = Result<Outputs, DispatcherError>;

/// An actor that works on its answers in its own context.
#[derive(Default)]
struct Inside {
    begun: u64,
    ended: u64,
}

impl Actor for Inside {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Inside {
    type Result = ResponseActFuture<Self, Delivered>;

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) -> Self::Result {
        self.begun += 1;
        let act = deliver.envelope.cast::<Act>().unwrap().payload().clone();
        let count = |answer: Delivered, actor: &mut Self, _: &mut Context<Self>| {
            actor.ended += 1;
            let counts = vec![format!("count.{}.{}", actor.begun, actor.ended)];
            answer.and_then(|_| dispatch_core::IntoOutputs::into_outputs(counts))
        };
        Box::pin(act.run().into_actor(self).map(count))
    }
}

fn inside() -> Engine {
    builder()
        .configure(|config| config.timeout = Duration::from_secs(1))
        .dispatcher(on_event("inside").actor(Inside::default))
        .route(to("inside"))
        .freeze()
        .unwrap()
}

async fn tell(engine: &Engine, act: Act) -> DispatchResult {
    engine.dispatch(TOPIC, act.envelope()).await.unwrap()
}

#[test]
fn a_panic_in_an_actors_own_future_is_the_outcome_with_its_text_and_is_counted() {
    paused(async {
        let engine = inside();
        for (act, text) in [
            (Act::Panic("at once".into()), "panicked: at once"),
            (Act::Panic("later".into()).after(10), "panicked: later"),
            (
                Act::Panic("the password is x".into()).after(10),
                "panicked: [REDACTED - potentially sensitive data]",
            ),
        ] {
            let result = tell(&engine, act).await;
            let error = result.outcomes().next().unwrap().error_message().map(str::to_owned);
            assert_eq!(error.as_deref(), Some(text));
            sleep(Duration::from_secs(30)).await;
            let next = tell(&engine, Act::ok()).await;
            assert_eq!(outputs(&next), ["count.1.1"], "a new life begins after each of them");
        }
        let metrics = engine.metrics().await.unwrap();
        let own = metrics.dispatcher("inside").unwrap();
        assert_eq!((own.panic_count, own.restart_count, own.success_count), (3, 3, 3));
    });
}

#[test]
fn what_an_actor_has_in_hand_ends_with_it_when_one_of_its_futures_panics() {
    paused(async {
        let engine = inside();
        let acts = [Act::ok().after(100), Act::Panic("x".into()).after(10), Act::ok().after(5)];
        let results = engine.dispatch_many(acts.map(|act| (TOPIC, act.envelope()))).await;
        let errors: Vec<_> = results
            .iter()
            .map(|result| {
                result.as_ref().unwrap().outcomes().next().unwrap().error_message().map(str::to_owned)
            })
            .collect();
        assert_eq!(
            errors,
            [Some("dispatcher stopped before it answered".to_owned()), Some("panicked: x".to_owned()), None]
        );
        assert_eq!(engine.in_flight(), 0);
    });
}

#[test]
fn a_late_future_of_an_actor_is_dropped_and_the_actor_lives_on() {
    paused(async {
        let engine = inside();
        assert_eq!(tell(&engine, Act::ok().after(5000)).await.status(), DispatchStatus::Timeout);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(outputs(&tell(&engine, Act::ok()).await), ["count.2.1"], "the late one never ended");
        assert_eq!(engine.metrics().await.unwrap().dispatcher("inside").unwrap().restart_count, 0);
    });
}

/// Does not give its thread back before the engine has complained.
struct Blocks(Logs);

impl Actor for Blocks {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Blocks {
    type Result = Delivered;

    fn handle(&mut self, _: Deliver, _: &mut Self::Context) -> Self::Result {
        let begun = Instant::now();
        while !self.0.entries().iter().any(|entry| entry.message.contains("blocked"))
            && begun.elapsed() < Duration::from_secs(10)
        {
            thread::yield_now();
        }
        Ok(Outputs::none())
    }
}

#[test]
fn a_handler_that_blocks_inside_an_actor_is_named() {
    let logs = Logs::new();
    let seen = logs.clone();
    let engine = Engine::builder()
        .configure(|config| config.stall_warn = Duration::from_millis(50))
        .subscriber(tracing::Dispatch::new(logs.clone()))
        .dispatcher(on_event("blocks").route_all().actor(move || Blocks(seen.clone())))
        .freeze()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(engine.dispatch(TOPIC, empty())).unwrap();
    assert!(result.is_successful(), "{result:?}");
    let warned = logs.entries().into_iter().find(|entry| entry.message.contains("blocked")).unwrap();
    assert_eq!(warned.get("dispatcher_id"), Some("blocks"));
}

/// A subscriber that cannot write down what dispatchers do, nor that anything panicked.
struct Broken(Arc<AtomicBool>);

impl Subscriber for Broken {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let about = event.metadata();
        let of_a_dispatcher = about.fields().field("dispatcher_id").is_some();
        let of_a_panic = about.file().is_some_and(|file| file.ends_with("guard.rs"));
        assert!(!self.0.load(Relaxed) || !(of_a_dispatcher || of_a_panic), "the disk is full");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_dispatcher_outlives_a_subscriber_that_panics() {
    paused(async {
        let broken = Arc::new(AtomicBool::new(true));
        let _here = tracing::subscriber::set_default(Broken(Arc::clone(&broken)));
        let engine = builder().dispatcher(on_event("a").run(Act::obey)).route(to("a")).freeze().unwrap();
        for _ in 0..3 {
            broken.store(true, Relaxed);
            assert!(tell(&engine, Act::ok()).await.is_error(), "what was under way is answered");
            broken.store(false, Relaxed);
            assert!(tell(&engine, Act::ok()).await.is_successful());
        }
        assert_eq!(engine.in_flight(), 0);
    });
}

/// An actor that rests after each message.
struct Sleepy;

impl Actor for Sleepy {
    type Context = Context<Self>;
}

impl Handler<Deliver> for Sleepy {
    type Result = Delivered;

    fn handle(&mut self, _: Deliver, ctx: &mut Self::Context) -> Self::Result {
        ctx.wait(sleep(Duration::from_secs(100)).into_actor(self));
        Ok(Outputs::none())
    }
}

#[test]
fn the_mailbox_of_an_actor_that_does_not_read_it_is_bounded() {
    paused(async {
        let engine = builder()
            .configure(|config| {
                config.max_in_flight = 4;
                config.timeout = Duration::from_millis(10);
            })
            .dispatcher(on_event("sleepy").recipient(Sleepy.start().recipient()))
            .route(to("sleepy"))
            .freeze()
            .unwrap();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let result = engine.dispatch(TOPIC, empty()).await.unwrap();
            let error = result.outcomes().next().unwrap().error_message().map(str::to_owned);
            statuses.push(error.unwrap_or_default());
        }
        let late = "timed out after 10 ms".to_owned();
        assert_eq!(statuses[..5], [String::new(), late.clone(), late.clone(), late.clone(), late]);
        assert!(statuses[5..].iter().all(|status| status == "dispatcher saturated"), "{statuses:?}");
        let own = engine.dispatcher_metrics("sleepy").await.unwrap().unwrap();
        assert_eq!((own.saturated_count, own.timeout_count), (15, 4));
        sleep(Duration::from_secs(1000)).await;
        assert!(engine.dispatch(TOPIC, empty()).await.unwrap().is_successful(), "it has read what was late");
    });
}
