//! The first part of a list: as many of its envelopes as leave together.

use std::collections::VecDeque;

use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, DeliveryEvent, Progress, Receipt};
use dispatch_core::policy::{BatchPolicy, History};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{Instrument, Level};

use super::route::{Course, Lane, Route};
use super::shared::Shared;
use crate::policy::{Call, Gate, Moment, Policy, Rates};

/// Envelopes in their order, and by the same places what was tried of them before; nothing, where the list is shorter.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) envelopes: &'a [Envelope],
    pub(super) before: &'a [Option<History>],
}

impl List<'_> {
    fn before(&self, place: usize) -> Option<&History> {
        self.before.get(place).and_then(Option::as_ref)
    }
}

impl Shared {
    /// Delivers the first part of a list, in its order and together: as many as fit into a batch and pass the rate limits
    /// before it is old; one, without a batch. Each outcome is told as soon as it is known. How many there were, at least
    /// one.
    pub(super) async fn deliver_part(
        &self,
        list: List<'_>,
        moment: &Moment,
        mut told: impl FnMut(usize, Result<Receipt, DeliveryError>) + Send,
    ) -> usize {
        let Some(first) = list.envelopes.first() else {
            return 1;
        };
        let Route::Batched(lane) = &self.route else {
            let course = Course { progress: &Progress::new(), moment, before: list.before(0) };
            told(0, self.deliver(first, course).await);
            return 1;
        };
        let _running = self.vitals.enter();
        if self.gate.is_closed() {
            for (place, envelope) in list.envelopes.iter().enumerate() {
                let refused = Gate::refuse(&self.telemetry);
                told(place, self.settle(envelope, list.before(place), refused).await);
            }
            return list.envelopes.len();
        }
        let passed = match self.pass(list.envelopes, lane.policy, lane.adapter.policy(), moment).await {
            Ok(passed) => passed,
            Err(refused) => {
                told(0, Err(self.recall(list.before(0), refused)));
                return 1;
            }
        };
        let batch = list.envelopes.get(..passed).unwrap_or(list.envelopes);
        self.deliver_together(List { envelopes: batch, ..list }, lane, moment, told).await;
        passed
    }

    /// Delivers all of a list together.
    async fn deliver_together(
        &self,
        list: List<'_>,
        lane: &Lane,
        moment: &Moment,
        mut told: impl FnMut(usize, Result<Receipt, DeliveryError>) + Send,
    ) {
        let (tell, mut answers) = mpsc::unbounded_channel();
        let send = async move {
            let mut audience = move |place, answer| {
                // The other half waits for all of them.
                let _ = tell.send((place, answer));
            };
            let sent = lane.adapter.inner().send(list.envelopes.to_vec(), &mut audience, moment);
            if tracing::span_enabled!(Level::INFO) {
                sent.instrument(self.batch_span(list.envelopes.len())).boxed().await;
            } else {
                sent.await;
            }
        };
        let settle = async {
            // One failure after the other goes its way, and keeps back the answers of none that was delivered.
            let mut failed: VecDeque<(&Envelope, usize, DeliveryError)> = VecDeque::new();
            let mut settling: OptionFuture<BoxFuture<'_, _>> = None.into();
            let (mut open, mut busy) = (true, false);
            loop {
                if !busy && let Some((envelope, place, error)) = failed.pop_front() {
                    busy = true;
                    let settle =
                        async move { (place, self.settle(envelope, list.before(place), error).await) };
                    settling = Some(settle.boxed()).into();
                }
                tokio::select! {
                    biased;
                    answer = answers.recv(), if open => match answer {
                        Some((place, answer)) => {
                            self.vitals.note(&answer, moment);
                            match (answer, list.envelopes.get(place)) {
                                (Ok(receipt), _) => {
                                    self.telemetry.emit(DeliveryEvent::Delivered);
                                    told(place, Ok(receipt));
                                }
                                (Err(error), Some(envelope)) => failed.push_back((envelope, place, error)),
                                (Err(error), None) => told(place, Err(error)),
                            }
                        }
                        None => open = false,
                    },
                    Some((place, outcome)) = &mut settling, if busy => {
                        busy = false;
                        told(place, outcome);
                    }
                    else => break,
                }
            }
        };
        join(send, settle).await;
    }

    /// How many of a list pass the rate limits, one after the other, before their batch is full or old; at least one.
    ///
    /// # Errors
    /// Why the first one may not pass.
    async fn pass(
        &self,
        envelopes: &[Envelope],
        batch: BatchPolicy,
        rates: &Rates,
        moment: &Moment,
    ) -> Result<usize, DeliveryError> {
        let since = Instant::now();
        for (passed, envelope) in envelopes.iter().take(batch.max_size).enumerate() {
            let call = Call::new(&self.telemetry).with_key(envelope.key()).at(moment);
            let age = since.elapsed().saturating_add(rates.wait(call));
            if passed > 0 && age >= batch.max_age {
                return Ok(passed);
            }
            match rates.apply(call, || std::future::ready(Ok(()))).await {
                Ok(()) => {}
                Err(error) if passed == 0 => return Err(error),
                Err(_) => return Ok(passed),
            }
        }
        Ok(envelopes.len().min(batch.max_size))
    }
}
