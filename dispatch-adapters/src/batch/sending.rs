//! A batch on its way: its attempts, until every envelope in it has its answer.

use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryErrorKind, DeliveryEvent, Receipt};
use dispatch_core::policy::Failure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::protocol::{Item, Order};
use super::{Again, wrong_count};
use crate::policy::{Call, Failed, Policy, Telemetry};

/// What sends batches.
pub(super) struct Sender<A> {
    pub(super) adapter: Arc<A>,
    pub(super) telemetry: Telemetry,
    pub(super) again: Option<Again>,
    /// One for each batch that may be out at once.
    pub(super) places: Arc<Semaphore>,
}

/// Who waits for the answer to an envelope, and what has failed of it.
struct Waiting {
    reply: oneshot::Sender<Result<Receipt, DeliveryError>>,
    failed: Option<Failed>,
    _permit: OwnedSemaphorePermit,
}

impl Waiting {
    fn answer(self, result: Result<Receipt, DeliveryError>) {
        let result = result.map_err(|error| Failed::tell(self.failed, error));
        // Whoever asked may have gone meanwhile.
        let _ = self.reply.send(result);
    }
}

/// Envelopes without an answer, in their order, each with who waits for it.
type Open = (Vec<Envelope>, Vec<Waiting>);

/// What may do better when it is tried again.
type Failures = (Open, Vec<DeliveryError>);

impl<A: Adapter> Sender<A> {
    /// Sends a batch, and what of it fails again, as long as that may help.
    pub(super) async fn send(&self, items: Vec<Item>, place: OwnedSemaphorePermit) {
        let in_order = items.iter().any(|item| item.order == Order::Kept);
        let waiting =
            |Item { envelope, reply, _permit, .. }| (envelope, Waiting { reply, failed: None, _permit });
        let open = items.into_iter().map(waiting).unzip();
        let call = Call::new(&self.telemetry);
        let attempts = self.again.as_ref().map(|again| (again, again.retry.begin(call)));
        let (mut open, mut errors) = self.attempt(open).await;
        let mut place = Some(place);
        if let Some((again, mut attempts)) = attempts {
            while !errors.is_empty() {
                // Others go on while this one waits, if they may overtake it.
                place = place.filter(|_| in_order);
                let failed = DeliveryErrorKind::together(errors.iter().map(DeliveryError::kind));
                if !attempts.wait_for_next(failed, call).await {
                    break;
                }
                let passed = self.pass_again(again, open).await;
                if place.is_none() {
                    place = Arc::clone(&self.places).acquire_owned().await.ok();
                }
                (open, errors) = self.attempt(passed).await;
            }
        }
        open.1.into_iter().zip(errors).for_each(|(waiting, error)| waiting.answer(Err(error)));
    }

    /// One attempt; answers what is decided by it.
    async fn attempt(&self, open: Open) -> Failures {
        // Whoever has gone does not want it any more.
        let wanted = open.0.into_iter().zip(open.1).filter(|(_, waiting)| !waiting.reply.is_closed());
        let (envelopes, waiting): Open = wanted.unzip();
        if envelopes.is_empty() {
            return Failures::default();
        }
        self.telemetry.emit(DeliveryEvent::Batched { size: envelopes.len() });
        let mut results = self.adapter.deliver_batch(&envelopes).await;
        if results.len() != envelopes.len() {
            let problem = wrong_count(self.adapter.name(), results.len(), envelopes.len());
            tracing::error!(adapter = self.adapter.name(), "{problem}");
            // Which of them were delivered cannot be told, so all are tried again.
            results = envelopes.iter().map(|_| Err(DeliveryError::retry(problem.message()))).collect();
        }
        let now = self.telemetry.now();
        let mut failures = Failures::default();
        for ((envelope, mut waiting), result) in envelopes.into_iter().zip(waiting).zip(results) {
            match result {
                Err(error) if self.again.is_some() && error.is_worth_retrying() => {
                    Failed::note(&mut waiting.failed, &error, now);
                    failures.0.0.push(envelope);
                    failures.0.1.push(waiting);
                    failures.1.push(error);
                }
                Err(error) => {
                    if self.again.is_some() && error.refusal().is_none() {
                        Failed::note(&mut waiting.failed, &error, now);
                    }
                    waiting.answer(Err(error));
                }
                Ok(receipt) => waiting.answer(Ok(receipt)),
            }
        }
        failures
    }

    /// Lets each envelope pass its rate limits once more; who waits for one that may not is told.
    async fn pass_again(&self, again: &Again, open: Open) -> Open {
        let mut passed = Open::default();
        for (envelope, waiting) in open.0.into_iter().zip(open.1) {
            let call = Call::new(&self.telemetry).with_key(envelope.key());
            match again.rates.apply(call, || std::future::ready(Ok(()))).await {
                Ok(()) => {
                    passed.0.push(envelope);
                    passed.1.push(waiting);
                }
                Err(error) => waiting.answer(Err(error)),
            }
        }
        passed
    }
}
