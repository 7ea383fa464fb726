//! Work on what was queued, until it has its outcome.
//!
//! A refusal is not for the one who queued an envelope, so it is tried again. Only what can never pass, because the
//! destination was shut down, or because it was tried as often as may be, fails for good.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::delivery::{DeliveryError, Progress, Receipt};
use dispatch_core::policy::{Failure as _, History, RefusedBy};
use tokio::sync::mpsc;

use super::protocol::Job;
use super::route::Course;
use super::shared::Shared;
use crate::policy::Moment;

type Outcome = Result<Receipt, DeliveryError>;

/// How long what was refused waits, if nobody says.
const PAUSE: Duration = Duration::from_millis(100);

/// Delivers one envelope, beside others.
pub(super) async fn one(shared: Arc<Shared>, number: u64, job: Job, ended: mpsc::UnboundedSender<u64>) {
    let mut open = Open::new(number, job);
    let progress = Arc::clone(&open.progress);
    loop {
        let moment = Moment::patient();
        let course = Course { progress: &progress, moment: &moment };
        let outcome = shared.deliver(&open.job.envelope, course).await;
        match open.pause_after(&outcome, shared.attempts) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return open.finish(&shared, outcome, &ended).await,
        }
    }
}

/// Delivers a round in its order: together as far as there is a batch.
pub(super) async fn round(shared: Arc<Shared>, jobs: Vec<(u64, Job)>, ended: mpsc::UnboundedSender<u64>) {
    let mut open: Vec<_> = jobs.into_iter().map(|(number, job)| Open::new(number, job)).collect();
    while !open.is_empty() {
        let envelopes: Vec<_> = open.iter().map(|open| open.job.envelope.clone()).collect();
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let told = move |place, outcome| {
            // The receiver is below.
            let _ = tell.send((place, outcome));
        };
        let moment = Moment::patient();
        let progress = open.first().map(|open| Arc::clone(&open.progress)).unwrap_or_default();
        let mut sent = std::pin::pin!(shared.deliver_some(&envelopes, &progress, &moment, told));
        // Those of this part of the round that are done, and how long what was refused waits.
        let mut again = Again { pause: None, waiting: open.into_iter().map(Some).collect() };
        let mut is_sent = false;
        loop {
            tokio::select! {
                biased;
                Some((place, outcome)) = outcomes.recv() => again.settle(place, outcome, &shared, &ended).await,
                _ = &mut sent, if !is_sent => is_sent = true,
                else => break,
            }
        }
        open = again.waiting.into_iter().flatten().collect();
        if let Some(pause) = again.pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// A job without an outcome.
struct Open {
    number: u64,
    job: Job,
    /// What was tried before the last refusal.
    attempts: u32,
    progress: Arc<Progress>,
}

impl Open {
    fn new(number: u64, job: Job) -> Self {
        Self { number, job, attempts: 0, progress: Arc::default() }
    }

    /// How long it waits for its next turn after a refusal; `None` if it has its outcome.
    fn pause_after(&mut self, outcome: &Outcome, most: u32) -> Option<Duration> {
        let error = outcome.as_ref().err()?;
        let refusal = error.refusal()?;
        let attempts = error.history().map_or(0, |history| history.attempts);
        self.attempts = self.attempts.saturating_add(attempts);
        let is_over = match refusal.by {
            RefusedBy::Stopped | RefusedBy::Disabled => true,
            RefusedBy::CircuitOpen => self.attempts >= most,
            _ => false,
        };
        (!is_over).then(|| refusal.retry_in.unwrap_or(PAUSE).max(Duration::from_millis(1)))
    }

    async fn finish(self, shared: &Shared, outcome: Outcome, ended: &mpsc::UnboundedSender<u64>) {
        let Self { number, job: Job { envelope, reply, permit }, attempts, progress: _ } = self;
        // Whoever reads the dead letter wants to know of all turns.
        let outcome = outcome.map_err(|error| match error.history().cloned() {
            Some(history) if error.refusal().is_some() => error.with_history(History { attempts, ..history }),
            _ => error,
        });
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

/// The jobs of a round by their place, as long as they have no outcome.
struct Again {
    waiting: Vec<Option<Open>>,
    /// How long the longest refusal keeps them waiting.
    pause: Option<Duration>,
}

impl Again {
    async fn settle(
        &mut self,
        place: usize,
        outcome: Outcome,
        shared: &Shared,
        ended: &mpsc::UnboundedSender<u64>,
    ) {
        let Some(slot) = self.waiting.get_mut(place) else {
            return;
        };
        let pause = slot.as_mut().and_then(|open| open.pause_after(&outcome, shared.attempts));
        if pause.is_some() {
            self.pause = self.pause.max(pause);
        } else if let Some(open) = slot.take() {
            open.finish(shared, outcome, ended).await;
        }
    }
}
