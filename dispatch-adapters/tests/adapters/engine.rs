//! Deliveries as dispatchers of an engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dispatch_adapters::model::{Adapter, Context, DeliveryError, Dispatcher, DispatcherError, Receipt};
use dispatch_adapters::policy::OrElse;
use dispatch_adapters::prelude::*;
use dispatch_adapters::{Delivery, Fallback, testing};

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
