//! A batch on its way: its attempts, until every envelope in it has its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryErrorKind, DeliveryEvent, Receipt};
use dispatch_core::policy::{Failure, RefusedBy};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Again, Hold};
use crate::policy::{Call, Failed, Moment, Policy, Telemetry, wrong_count};

type Answer = Result<Receipt, DeliveryError>;

/// Who waits for the answers of a batch.
pub(crate) trait Audience: Send {
    /// Whether anybody waits for the answer to the envelope at that place.
    fn wants(&self, place: usize) -> bool {
        let _ = place;
        true
    }

    /// Gets the answer to the envelope at that place, once.
    fn answer(&mut self, place: usize, answer: Answer);
}

impl<F: FnMut(usize, Answer) + Send> Audience for F {
    fn answer(&mut self, place: usize, answer: Answer) {
        self(place, answer);
    }
}

/// How a batch is handed to policies behind it, which tell the observers of it.
pub(crate) type Ask<A> = for<'a> fn(&'a A, &'a [Envelope], &'a Moment) -> BoxFuture<'a, Vec<Answer>>;

/// What sends batches, at most so many at once.
pub(crate) struct Sender<A> {
    pub(super) adapter: Arc<A>,
    /// Without it, the adapter is asked as it is.
    pub(super) ask: Option<Ask<A>>,
    pub(super) telemetry: Telemetry,
    pub(super) again: Option<Again>,
    pub(super) hold: Option<Hold>,
    /// One for each batch that may be out; one that waits to be tried again has none.
    pub(super) places: Arc<Semaphore>,
}

/// Where an envelope that has no answer stood in its batch, and what has failed of it.
struct Waiting {
    place: usize,
    failed: Option<Failed>,
}

impl Waiting {
    fn answer(self, audience: &mut impl Audience, answer: Answer) {
        audience.answer(self.place, answer.map_err(|error| Failed::tell(self.failed, error)));
    }
}

/// Envelopes without an answer, in their order.
type Open = (Vec<Envelope>, Vec<Waiting>);

impl<A: Adapter> Sender<A> {
    /// Sends a batch, and what of it fails again, together and in its order, as long as that may help. Each answer is told
    /// as soon as it is known.
    ///
    /// `place` is that of the first attempt, if there is one already.
    pub(crate) async fn send(
        &self,
        envelopes: Vec<Envelope>,
        audience: &mut impl Audience,
        moment: &Moment,
        mut place: Option<OwnedSemaphorePermit>,
    ) {
        let call = Call::new(&self.telemetry).at(moment);
        let mut attempts = self.again.as_ref().map(|again| (again, again.retry.begin(call)));
        let waiting = (0..envelopes.len()).map(|place| Waiting { place, failed: None }).collect();
        let mut open: Open = (envelopes, waiting);
        loop {
            if place.is_none() {
                match self.place(call.with_envelopes(open.0.len())).await {
                    Ok(next) => place = next,
                    Err(refused) => {
                        let waiting = open.1.into_iter();
                        waiting.for_each(|waiting| waiting.answer(audience, Err(refused.repeat())));
                        return;
                    }
                }
            }
            let errors = self.attempt(&mut open, audience, moment).await;
            // Others go on while this one waits.
            drop(place.take());
            let kind = DeliveryErrorKind::together(errors.iter().map(DeliveryError::kind));
            let is_wanted = open.1.iter().any(|waiting| audience.wants(waiting.place));
            let again = match &mut attempts {
                Some((again, attempts)) if is_wanted => {
                    attempts.wait_for_next(kind, call).await.then_some(*again)
                }
                _ => None,
            };
            let Some(again) = again else {
                let failed = open.1.into_iter().zip(errors);
                failed.for_each(|(waiting, error)| waiting.answer(audience, Err(error)));
                return;
            };
            open = self.pass_again(again, open, audience, moment).await;
        }
    }

    /// Waits for a place among the batches that may be out.
    ///
    /// # Errors
    /// A refusal, if it is time to give up; or if the breaker refuses, and has no room for these to be held with the
    /// others.
    async fn place(&self, call: Call<'_>) -> Result<Option<OwnedSemaphorePermit>, DeliveryError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Some(place));
        }
        let since = Instant::now();
        let end = call.gives_up_at();
        let place = Arc::clone(&self.places).acquire_owned();
        let refusing = async {
            // What a queue has taken is bounded by the queue.
            let Some(hold) = self.hold.as_ref().filter(|_| !call.is_patient()) else {
                return std::future::pending().await;
            };
            let remaining = hold.breaker.refusing().await;
            let Some(_seat) = hold.breaker.seat(call) else {
                return remaining;
            };
            // In its seat until it has its place: what waits behind a batch that is held is held, too.
            std::future::pending().await
        };
        let place = tokio::select! {
            biased;
            place = place => Ok(place.ok()),
            () = tokio::time::sleep_until(end.unwrap_or(since)), if end.is_some() => {
                Err(Hold::refuse(self.hold.as_ref(), &self.telemetry))
            }
            remaining = refusing => Err(self.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining))),
        };
        // What is behind is not to be blamed for the wait, and what a queue has taken does not pay for it.
        call.waited();
        call.held(since.elapsed());
        place
    }

    /// One attempt. What is decided by it is told; what may do better stays open, and its errors are returned.
    async fn attempt(
        &self,
        open: &mut Open,
        audience: &mut impl Audience,
        moment: &Moment,
    ) -> Vec<DeliveryError> {
        let (envelopes, waiting) = std::mem::take(open);
        // Whoever has gone does not want it any more.
        let wanted = envelopes.into_iter().zip(waiting).filter(|(_, waiting)| audience.wants(waiting.place));
        let (envelopes, waiting): Open = wanted.unzip();
        let mut errors = Vec::new();
        if envelopes.is_empty() {
            return errors;
        }
        let answers = self.ask(&envelopes, moment).await;
        let now = self.telemetry.now();
        for ((envelope, mut waiting), answer) in envelopes.into_iter().zip(waiting).zip(answers) {
            let error = match answer {
                Ok(receipt) => {
                    waiting.answer(audience, Ok(receipt));
                    continue;
                }
                Err(error) => error,
            };
            if self.again.is_some() && (error.refusal().is_none() || error.is_worth_retrying()) {
                Failed::note(&mut waiting.failed, &error, now);
            }
            if self.again.is_some() && error.is_worth_retrying() {
                open.0.push(envelope);
                open.1.push(waiting);
                errors.push(error);
            } else {
                waiting.answer(audience, Err(error));
            }
        }
        errors
    }

    /// One answer for each envelope, whatever the adapter does.
    async fn ask(&self, envelopes: &[Envelope], moment: &Moment) -> Vec<Answer> {
        let asked = async {
            if let Some(ask) = self.ask {
                return ask(&self.adapter, envelopes, moment).await;
            }
            self.telemetry.emit(DeliveryEvent::Batched { size: envelopes.len() });
            self.adapter.deliver_batch(envelopes).await
        };
        // Foreign code; nothing of it is used again after it has panicked.
        let asked = AssertUnwindSafe(asked).catch_unwind().await;
        let problem = match asked {
            Ok(answers) if answers.len() == envelopes.len() => return answers,
            // Which of them were delivered cannot be told, so all are tried again.
            Ok(answers) => wrong_count(self.adapter.name(), answers.len(), envelopes.len()),
            Err(_) => "the adapter panicked".to_owned(),
        };
        tracing::error!(adapter = self.adapter.name(), problem, "a batch failed as a whole");
        envelopes.iter().map(|_| Err(DeliveryError::retry(&problem))).collect()
    }

    /// Lets each envelope pass its rate limits once more; who waits for one that may not is told.
    async fn pass_again(
        &self,
        again: &Again,
        open: Open,
        audience: &mut impl Audience,
        moment: &Moment,
    ) -> Open {
        let mut passed = Open::default();
        for (envelope, waiting) in open.0.into_iter().zip(open.1) {
            let call = Call::new(&self.telemetry).with_key(envelope.key()).at(moment);
            match again.rates.apply(call, || std::future::ready(Ok(()))).await {
                Ok(()) => {
                    passed.0.push(envelope);
                    passed.1.push(waiting);
                }
                Err(error) => waiting.answer(audience, Err(error)),
            }
        }
        passed
    }
}
