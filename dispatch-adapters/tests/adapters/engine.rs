//! Deliveries as dispatchers of an engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatch_adapters::model::policy::{BreakerConfig, BreakerPhase, RetryPolicy};
use dispatch_adapters::model::{
    Adapter, Context, DeliveryError, DispatchStatus, Dispatcher, DispatcherError, Receipt,
};
use dispatch_adapters::policy::OrElse;
use dispatch_adapters::prelude::*;
use dispatch_adapters::{DeadLetters, Delivery, Fallback, Target, Targets, testing};

use crate::support::Memory;

/// A destination that can be down.
#[derive(Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn closed() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

#[async_trait::async_trait]
impl Adapter for Door {
    fn name(&self) -> &str {
        "door"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        if self.0.load(Ordering::SeqCst) { Err(DeliveryError::retry("closed")) } else { Ok(Receipt::taken()) }
    }
}

/// Fails.
struct Broken;

#[async_trait::async_trait]
impl Dispatcher for Broken {
    fn id(&self) -> &str {
        "broken"
    }

    fn category(&self) -> Category {
        Category::Event
    }

    async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
        Err(DispatcherError::msg("broken"))
    }
}

fn engine(registration: Registration, id: &str) -> Engine {
    testing::builder()
        .dispatcher(registration)
        .route(Route::new("all", "**", Category::Event, id))
        .freeze()
        .unwrap()
}

#[test]
fn an_outcome_says_that_a_fallback_took_the_envelope() {
    testing::run(async {
        let delivery =
            Delivery::to(Door::closed()).fallback(Fallback::Value(Receipt::taken())).start().unwrap();
        let spare = |_: &Envelope, _: &DispatcherError| Ok(Outputs::none());
        let fine = Delivery::to(Door::default()).start().unwrap();
        for (registration, id, fell_back) in [
            (on_event("door").deliver_to(delivery), "door", true),
            (Registration::object(OrElse::new(Broken, spare)), "broken", true),
            (on_event("door").deliver_to(fine), "door", false),
        ] {
            let result =
                engine(registration, id).dispatch("shop.events", Envelope::empty("A")).await.unwrap();
            assert!(result.is_successful(), "{result:?}");
            assert!(result.outcomes().all(|outcome| outcome.is_fallback() == fell_back), "{result:?}");
            let json = serde_json::to_value(&result).unwrap();
            let expected = fell_back.then_some(&serde_json::Value::Bool(true));
            assert_eq!(json["outcomes"][0].get("fallback"), expected);
            let read: dispatch_adapters::model::DispatchResult = serde_json::from_value(json).unwrap();
            assert!(read.outcomes().all(|outcome| outcome.is_fallback() == fell_back));
        }
    });
}

#[test]
fn what_retries_or_is_held_past_the_time_of_its_dispatch_is_timed_out_and_nobody_buries_it() {
    testing::run(async {
        let limit = Duration::from_secs(5);
        let grave = Memory::default();
        let letters = DeadLetters::to([grave.clone()]).unwrap();
        let door = Door::closed();
        let delivery = |retry: RetryPolicy| {
            let breaker = BreakerConfig { failure_threshold: 3, ..BreakerConfig::default() };
            let delivery = Delivery::to(door.clone()).retry(retry).circuit_breaker(breaker);
            delivery.dead_letters(&letters).start().unwrap()
        };
        let timed_out = async |engine: &Engine| {
            let before = tokio::time::Instant::now();
            let result = engine.dispatch("shop.events", Envelope::empty("A")).await.unwrap();
            assert_eq!((result.status(), before.elapsed()), (DispatchStatus::Timeout, limit));
            assert_eq!(result.error_message(), Some("Dispatcher 'door' timed out after 5000 ms"));
        };

        // Between two attempts.
        let slow = delivery(RetryPolicy::default().with_base(Duration::from_secs(20)));
        timed_out(&engine(on_event("door").timeout(limit).deliver_to(slow), "door")).await;

        // Held by an open breaker.
        let quick = delivery(RetryPolicy::default().with_base(Duration::from_millis(10)));
        let held = engine(on_event("door").timeout(limit).deliver_to(quick.clone()), "door");
        timed_out(&held).await;
        assert_eq!(quick.breaker().unwrap().phase(), BreakerPhase::Open);
        timed_out(&held).await;
        assert_eq!(quick.breaker().unwrap().held(), 0, "its place is free");

        // Nobody goes on behind the back of the caller, who has been told.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!((letters.pending(), grave.envelopes().len()), (0, 0));

        // What is queued is not the caller's any more: it has its attempts, and then its dead letter.
        let queued = delivery(RetryPolicy::default().with_max_retries(1).with_base(Duration::from_secs(20)));
        let targets = Targets::new([Target::new("door", queued).queued()]).unwrap();
        let answered = engine(on_event("door").timeout(limit).deliver_to(targets), "door");
        let result = answered.dispatch("shop.events", Envelope::empty("A")).await.unwrap();
        assert!(result.is_successful(), "{result:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(grave.envelopes().len(), 1);
    });
}
