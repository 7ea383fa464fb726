//! Work on what was queued, until it has its outcome.
//!
//! A refusal is not for the one who queued an envelope, so it is tried again. Only what can never pass, because the
//! destination was shut down, or because its attempts are used up, fails for good. While an outage has not lasted for
//! longer than what is held may be tried for free, attempts that end in a refusal of the circuit breaker use up none: an
//! envelope for which the breaker had no room is held here.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Progress, Receipt};
use dispatch_core::policy::{History, RefusedBy};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::part::List;
use super::protocol::Job;
use super::route::Course;
use super::shared::Shared;
use crate::policy::Moment;

type Outcome = Result<Receipt, DeliveryError>;

/// How long what was refused waits, if nobody says.
const PAUSE: Duration = Duration::from_millis(100);

/// Delivers one envelope, beside others.
pub(super) async fn one(shared: Arc<Shared>, number: u64, job: Job, ended: mpsc::UnboundedSender<u64>) {
    let mut turns = Turns::new(number, job);
    let progress = Progress::new();
    loop {
        let moment = Moment::patient();
        let course = Course { progress: &progress, moment: &moment, before: turns.tried.as_ref() };
        let outcome = shared.deliver(&turns.job.envelope, course).await;
        match turns.pause_after(&outcome, &shared) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return turns.finish(&shared, outcome, &ended).await,
        }
    }
}

/// Delivers a round in its order, and together.
pub(super) async fn round(shared: Arc<Shared>, jobs: Vec<(u64, Job)>, ended: mpsc::UnboundedSender<u64>) {
    let mut round = Round::new(jobs);
    while !round.envelopes.is_empty() {
        let pause = round.turn(&shared, &ended).await;
        round.close_up();
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// The jobs of a round that have no outcome, in their order.
struct Round {
    envelopes: Vec<Envelope>,
    /// By the same places; none where there is an outcome.
    waiting: Vec<Option<Turns>>,
}

impl Round {
    fn new(jobs: Vec<(u64, Job)>) -> Self {
        let envelopes = jobs.iter().map(|(_, job)| job.envelope.clone()).collect();
        let waiting = jobs.into_iter().map(|(number, job)| Some(Turns::new(number, job))).collect();
        Self { envelopes, waiting }
    }

    /// Delivers the first part of them; how long those that were refused have to wait.
    async fn turn(&mut self, shared: &Shared, ended: &mpsc::UnboundedSender<u64>) -> Option<Duration> {
        let Self { envelopes, waiting } = self;
        let before: Vec<_> =
            waiting.iter().map(|turns| turns.as_ref().and_then(|turns| turns.tried.clone())).collect();
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let told = move |place, outcome| {
            // The receiver is below.
            let _ = tell.send((place, outcome));
        };
        let moment = Moment::patient();
        let list = List { envelopes, before: &before };
        let mut sent = std::pin::pin!(shared.deliver_part(list, &moment, told));
        // A dead letter that waits for room must not keep what is on its way from going on.
        let mut ending = FuturesUnordered::new();
        let (mut is_sent, mut longest) = (false, None);
        loop {
            tokio::select! {
                biased;
                Some((place, outcome)) = outcomes.recv() => {
                    let Some(slot) = waiting.get_mut(place) else {
                        continue;
                    };
                    let pause = slot.as_mut().and_then(|turns| turns.pause_after(&outcome, shared));
                    if pause.is_some() {
                        longest = longest.max(pause);
                    } else if let Some(turns) = slot.take() {
                        ending.push(turns.finish(shared, outcome, ended));
                    }
                }
                _ = &mut sent, if !is_sent => is_sent = true,
                Some(()) = ending.next() => {}
                else => break,
            }
        }
        longest
    }

    /// Lets go of those that have their outcome.
    fn close_up(&mut self) {
        let mut waiting = self.waiting.iter();
        self.envelopes.retain(|_| waiting.next().is_some_and(Option::is_some));
        self.waiting.retain(Option::is_some);
    }
}

/// A job without an outcome, from one turn to the next.
struct Turns {
    number: u64,
    job: Job,
    /// What was tried before the last refusal.
    tried: Option<History>,
    /// When the breaker first refused it after an attempt, having no room to hold it.
    failing_since: Option<Instant>,
    /// Attempts since they are not free any more.
    paid: u32,
}

impl Turns {
    fn new(number: u64, job: Job) -> Self {
        Self { number, job, tried: None, failing_since: None, paid: 0 }
    }

    fn attempts(&self) -> u32 {
        self.tried.as_ref().map_or(0, |history| history.attempts)
    }

    /// How long it waits for its next turn after a refusal; `None` if it has its outcome.
    fn pause_after(&mut self, outcome: &Outcome, shared: &Shared) -> Option<Duration> {
        let error = outcome.as_ref().err()?;
        let refusal = error.refusal()?;
        let before = self.attempts();
        self.tried = error.history().cloned();
        let made = self.attempts().saturating_sub(before);
        let is_over = match refusal.by {
            RefusedBy::Stopped | RefusedBy::Disabled => true,
            RefusedBy::CircuitOpen if made > 0 => {
                let since = *self.failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= shared.hold_for {
                    self.paid = self.paid.saturating_add(made);
                }
                self.paid >= shared.attempts
            }
            _ => false,
        };
        (!is_over).then(|| refusal.retry_in.unwrap_or(PAUSE).max(Duration::from_millis(1)))
    }

    async fn finish(self, shared: &Shared, outcome: Outcome, ended: &mpsc::UnboundedSender<u64>) {
        let Self { number, job: Job { envelope, reply, permit }, .. } = self;
        let refused = outcome
            .as_ref()
            .err()
            .filter(|error| error.refusal().is_some_and(|refusal| refusal.by != RefusedBy::Disabled));
        if let Some(error) = refused {
            shared.bury(&envelope, error).await;
        }
        drop(permit);
        // The ticket may have been dropped, and so may the actor, which then has the envelope.
        let _ = reply.send(outcome);
        let _ = ended.send(number);
    }
}
