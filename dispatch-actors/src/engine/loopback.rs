use std::sync::{Arc, Weak};

use actix::prelude::*;
use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Receipt, SkippedDelivery};
use dispatch_core::{DispatchStatus, Envelope};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::TopicArg;
use super::shared::Shared;
use crate::admission::Admission;
use crate::router::{Router, Submit};

/// Dispatches envelopes with an engine, as an adapter: delivered means handed to the dispatchers.
///
/// It never waits for a permit: work that the engine leads to must not wait for the engine. Over the limit the
/// delivery is refused.
pub(crate) struct Loopback {
    name: String,
    router: Addr<Router>,
    admission: Arc<Admission>,
    /// Absent for the engine's own publisher, whose work has been admitted already.
    gate: Option<Weak<Shared>>,
}

impl Loopback {
    /// The adapter for others: it stands in the queue with everybody else and ends with the engine.
    pub(super) fn for_others(shared: &Arc<Shared>) -> Self {
        let own = Self::new(&shared.name, shared.router.clone(), Arc::clone(&shared.admission));
        Self { gate: Some(Arc::downgrade(shared)), ..own }
    }

    fn admit(&self) -> Result<(), DeliveryError> {
        let admitted = match &self.gate {
            None => self.admission.try_acquire_inner(),
            Some(gate) => {
                let ready = gate.upgrade().is_some_and(|shared| shared.check_ready().is_ok());
                if !ready {
                    return Err(DeliveryError::permanent("the engine has been shut down"));
                }
                self.admission.try_acquire(1) == 1
            }
        };
        if admitted {
            return Ok(());
        }
        self.admission.refuse();
        Err(DeliveryError::retry("the engine is overloaded"))
    }

    pub(crate) fn new(engine: &str, router: Addr<Router>, admission: Arc<Admission>) -> Self {
        Self { name: format!("engine:{engine}"), router, admission, gate: None }
    }
}

#[async_trait]
impl Adapter for Loopback {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let Some(topic) = envelope.topic().cloned() else {
            return Err(DeliveryError::permanent("the envelope has no topic: set one with with_topic()"));
        };
        if topic.category().is_none() {
            return Ok(Receipt::skipped(SkippedDelivery::NoCategory));
        }
        self.admit()?;
        let (reply, answer) = oneshot::channel();
        self.router.do_send(Submit::One {
            topic: TopicArg::Valid(topic),
            envelope: envelope.clone(),
            route_only: true,
            reply,
        });
        match answer.await {
            Ok(Ok(result)) if result.status() == DispatchStatus::InvalidMessage => {
                Err(DeliveryError::permanent(result.error_message().unwrap_or("the envelope is not valid")))
            }
            Ok(Ok(result)) if result.status() == DispatchStatus::Skipped => {
                Ok(Receipt::skipped(SkippedDelivery::Filtered))
            }
            Ok(Ok(result)) => Ok(Receipt::with_id(result.dispatch_id().to_string())),
            Ok(Err(refused)) => Err(DeliveryError::permanent(refused.to_string())),
            Err(_) => {
                self.admission.release(1);
                Err(DeliveryError::permanent("the engine has stopped"))
            }
        }
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        join_all(envelopes.iter().map(|envelope| self.deliver(envelope))).await
    }
}
