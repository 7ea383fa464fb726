//! What a reload changes about a dispatcher whose id stays.

use std::time::Duration;

use actix::prelude::*;
use async_trait::async_trait;
use dispatch_actors::{ChildState, Deliver, EngineBuilder, EngineHealth, on_event};
use dispatch_core::delivery::{DeliveryError, Receipt};
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{Adapter, DispatchStatus, Envelope, NodeKind};
use dispatch_tests::support::{Act, Puppet, builder, empty, paused};
use tokio::time::sleep;

use crate::{TOPIC, ids, outputs, to};

#[test]
fn the_kind_of_a_dispatcher_that_stays_is_the_new_one() {
    paused(async {
        let of = |kind| {
            let told = |_: Envelope, context: dispatch_core::Context| async move {
                format!("kind.{:?}.{}", context.node_kind, context.now.is_some())
            };
            builder().dispatcher(on_event("a").node_kind(kind).route_all().run(told))
        };
        let engine = of(NodeKind::Reducer).freeze().unwrap();
        assert_eq!(outputs(&engine.dispatch(TOPIC, empty()).await.unwrap()), ["kind.Some(Reducer).false"]);
        engine.reload(of(NodeKind::Orchestrator)).await.unwrap();
        assert_eq!(
            outputs(&engine.dispatch(TOPIC, empty()).await.unwrap()),
            ["kind.Some(Orchestrator).true"]
        );
    });
}

/// A destination that never answers.
struct Silent;

#[async_trait]
impl Adapter for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        std::future::pending().await
    }
}

#[test]
fn a_new_time_out_is_in_force_for_publishing_too() {
    paused(async {
        let limited = |ms| {
            builder()
                .configure(|config| config.timeout = Duration::from_millis(ms))
                .dispatcher(on_event("a").route_all().run(|_: Envelope| async { "out.events" }))
        };
        let engine = limited(30_000).publish_to(Silent).freeze().unwrap();
        engine.reload(limited(100)).await.unwrap();
        let result = engine.dispatch(TOPIC, empty()).await.unwrap();
        assert_eq!(result.status(), DispatchStatus::PublishFailed);
        assert_eq!(result.error_message(), Some("could not publish 'out.events': timed out after 100 ms"));
    });
}

/// A table with a puppet that dies for good the first time.
fn mortal() -> EngineBuilder {
    let never = RestartPolicy { max_restarts: 0, ..RestartPolicy::default() };
    builder().dispatcher(on_event("puppet").restart(never).actor(Puppet::default)).route(to("puppet"))
}

#[test]
fn a_reload_starts_an_actor_that_is_down_afresh() {
    paused(async {
        let engine = mortal().freeze().unwrap();
        for _ in 0..2 {
            assert!(engine.dispatch(TOPIC, Act::Panic("x".into()).envelope()).await.unwrap().is_error());
            sleep(Duration::from_millis(1)).await;
            assert_eq!(engine.health(), EngineHealth::Degraded);
            engine.reload(builder().keep("puppet").route(to("puppet"))).await.unwrap();
            assert_eq!(engine.health(), EngineHealth::Degraded, "there is no code to start it with");
            let report = engine.reload(mortal()).await.unwrap();
            assert_eq!(
                (report.started, report.kept, report.retired),
                (vec!["puppet".into()], vec![], vec![])
            );
            assert_eq!(engine.health(), EngineHealth::Ready);
            let result = engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap();
            assert_eq!((ids(&result), result.status()), (vec!["puppet"], DispatchStatus::Success));
        }
        let metrics = engine.metrics().await.unwrap();
        let own = metrics.dispatcher("puppet").unwrap();
        assert_eq!((own.execution_count, own.panic_count, own.success_count), (4, 2, 2));
    });
}

#[test]
fn a_reload_with_a_new_address_replaces_an_actor_that_is_gone() {
    paused(async {
        let table = |actor: &Addr<Puppet>| {
            let recipient: Recipient<Deliver> = actor.clone().recipient();
            builder().dispatcher(on_event("puppet").recipient(recipient)).route(to("puppet"))
        };
        let first = Puppet::default().start();
        let engine = table(&first).freeze().unwrap();
        assert!(engine.dispatch(TOPIC, Act::Stop.envelope()).await.unwrap().is_error());
        assert!(!first.connected());
        // Nothing has come for it since, so nobody has noticed.
        assert_eq!(engine.health(), EngineHealth::Ready);
        let second = Puppet::default().start();
        assert_eq!(engine.reload(table(&second)).await.unwrap().started, ["puppet"]);
        assert!(engine.dispatch(TOPIC, Act::ok().envelope()).await.unwrap().is_successful());
        let children = engine.children().await.unwrap();
        assert_eq!(children.last().map(|child| child.state), Some(ChildState::Up));
        assert_eq!(engine.reload(table(&first)).await.unwrap().kept, ["puppet"], "it lives: it is kept");
    });
}
