use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeadLetter, DeliveryError, Receipt};
use dispatch_core::{DeadLetterOrigin, Envelope};
use rand::Rng;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::consumers::{Place, place};

/// Where dead letters go; it takes its time, and now and then it takes nothing.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) chance: Arc<Mutex<SmallRng>>,
    pub(super) has: Arc<Mutex<BTreeSet<Place>>>,
}

#[async_trait]
impl Adapter for Target {
    fn name(&self) -> &str {
        "target"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let (time, fails) = {
            let mut chance = self.chance.lock().unwrap();
            (chance.random_range(0..300), chance.random_ratio(1, 4))
        };
        sleep(Duration::from_millis(time)).await;
        if fails {
            return Err(DeliveryError::retry("away"));
        }
        self.has.lock().unwrap().insert(origin(&DeadLetter::from_envelope(envelope).unwrap()));
        Ok(Receipt::taken())
    }
}

/// Where a dead letter was published.
pub(super) fn origin(letter: &DeadLetter) -> Place {
    match &letter.origin {
        DeadLetterOrigin::Subscription { topic, offset, .. } => place(topic, *offset),
        other => panic!("{other:?}"),
    }
}
