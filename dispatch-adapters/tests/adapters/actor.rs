use std::time::Duration;

use actix::prelude::*;
use dispatch_adapters::actor::{ActorAdapter, ActorOptions};
use dispatch_adapters::model::{
    Adapter, DeliveryErrorKind, DispatcherError, Envelope, HealthStatus, Outputs,
};
use dispatch_adapters::{Deliver, testing};

use crate::support::{Memory, envelope};

/// An actor that keeps what it is given, and misbehaves if the type of the message says so.
pub(crate) struct Keeper(Memory);

impl Keeper {
    pub(crate) fn new(memory: Memory) -> Self {
        Self(memory)
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(128);
    }
}

impl Handler<Deliver> for Keeper {
    type Result = ResponseFuture<Result<Outputs, DispatcherError>>;

    fn handle(&mut self, deliver: Deliver, ctx: &mut Context<Self>) -> Self::Result {
        match deliver.envelope.message_type_str() {
            "Stop" => ctx.terminate(),
            "Hang" => return Box::pin(std::future::pending()),
            "Never" => {
                return Box::pin(async { Err(DispatcherError::msg("not this one").unrecoverable()) });
            }
            "Again" => return Box::pin(async { Err(DispatcherError::msg("password=x1")) }),
            _ => self.0.push(&deliver.envelope),
        }
        Box::pin(async { Ok(Outputs::none()) })
    }
}

fn keeper(options: ActorOptions) -> (ActorAdapter, Memory) {
    let memory = Memory::default();
    let keeper = Keeper::new(memory.clone()).start();
    (ActorAdapter::new(keeper.recipient(), options), memory)
}

async fn kind(adapter: &ActorAdapter, envelope: &Envelope) -> DeliveryErrorKind {
    adapter.deliver(envelope).await.unwrap_err().kind()
}

#[test]
fn a_dead_actor_is_an_error_for_good() {
    testing::run(async {
        for async_ in [false, true] {
            let (adapter, _) = keeper(ActorOptions { async_, ..ActorOptions::default() });
            assert_eq!(adapter.health().await.status, HealthStatus::Healthy);
            let _ = adapter.deliver(&envelope("Stop")).await;
            tokio::task::yield_now().await;
            assert_eq!(kind(&adapter, &envelope("After")).await, DeliveryErrorKind::Permanent);
            assert_eq!(adapter.health().await.status, HealthStatus::Unhealthy);
            assert!(adapter.failed() >= 1);
        }
    });
}

#[test]
fn an_actor_that_does_not_answer_in_time_may_be_asked_again() {
    testing::run(async {
        let (adapter, _) = keeper(ActorOptions::default());
        let before = tokio::time::Instant::now();
        let error = adapter.deliver(&envelope("Hang")).await.unwrap_err();
        assert_eq!(before.elapsed().as_secs(), 5);
        assert_eq!(error.kind(), DeliveryErrorKind::Retry);
        assert_eq!(error.message(), "no answer within 5000 ms");
    });
}

#[test]
fn a_full_mailbox_refuses_what_is_fired() {
    testing::run(async {
        let (adapter, memory) = keeper(ActorOptions { async_: true, ..ActorOptions::default() });
        // The actor has no chance to run before the mailbox is full.
        let mut refused = None;
        for _ in 0..1000 {
            if let Err(error) = adapter.deliver(&envelope("Fired")).await {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.unwrap();
        assert_eq!(
            (refused.kind(), refused.message()),
            (DeliveryErrorKind::Retry, "the mailbox of the actor is full")
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(memory.envelopes().len() as u64, adapter.delivered());
        assert!(adapter.deliver(&envelope("Later")).await.is_ok());
    });
}

#[test]
fn the_error_of_the_actor_says_what_may_be_done() {
    testing::run(async {
        let (adapter, _) = keeper(ActorOptions::default());
        assert_eq!(kind(&adapter, &envelope("Never")).await, DeliveryErrorKind::Permanent);
        let error = adapter.deliver(&envelope("Again")).await.unwrap_err();
        assert_eq!(error.kind(), DeliveryErrorKind::Retry);
        assert!(!error.to_string().contains("x1"), "{error}");
        assert_eq!((adapter.delivered(), adapter.failed()), (0, 2));
    });
}
