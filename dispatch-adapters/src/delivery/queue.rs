use std::collections::VecDeque;

use dispatch_core::policy::BatchPolicy;
use tokio::time::Instant;

use super::protocol::Job;

/// How much of what was queued is worked on at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many, each by itself: their order is that in which they are begun, and no more than that unless it is one.
    Single(usize),
    /// In rounds of one batch. What is begun has its outcome, retries included, before anything behind it is begun; or
    /// there are several rounds beside each other, of so many envelopes together at most. Only a full one begins before it
    /// can be sent: one that is not would wait for its place as small as it is, instead of filling up.
    Rounds { batch: BatchPolicy, beside: Option<usize> },
}

/// What waits to be begun, and since when.
pub(super) struct Queue {
    pace: Pace,
    jobs: VecDeque<(Instant, Job)>,
}

impl Queue {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, jobs: VecDeque::new() }
    }

    pub(super) fn push(&mut self, job: Job) {
        // Only a round asks how long it has waited.
        let now = match (self.pace, self.jobs.back()) {
            (Pace::Single(_), Some((before, _))) => *before,
            _ => Instant::now(),
        };
        self.jobs.push_back((now, job));
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// What begins together while so many run; nothing if they have to end first, or if a round waits for others to fill
    /// it. In a hurry it does not, once there is a place to send it.
    pub(super) fn begin(&mut self, running: usize, has_place: bool, hurry: bool) -> Vec<Job> {
        let ready = match self.pace {
            Pace::Single(most) => self.jobs.len().min(most.saturating_sub(running)),
            Pace::Rounds { batch, .. } => {
                let due = self.due(running, has_place);
                let is_due = due.is_some_and(|due| hurry || self.is_full(batch) || due <= Instant::now());
                if is_due { self.jobs.len().min(batch.max_size) } else { 0 }
            }
        };
        self.jobs.drain(..ready).map(|(_, job)| job).collect()
    }

    /// Whether the next round has as many as fit into it.
    fn is_full(&self, batch: BatchPolicy) -> bool {
        self.jobs.len() >= batch.max_size
    }

    /// Whether a round that waits for others to end may begin as soon as there is a place to send it.
    pub(super) fn waits_for_place(&self, running: usize) -> bool {
        self.due(running, false).is_none() && self.due(running, true).is_some()
    }

    /// When the next round begins, full or not; `None` while it has to wait for those that run.
    pub(super) fn due(&self, running: usize, has_place: bool) -> Option<Instant> {
        let Pace::Rounds { batch, beside } = self.pace else {
            return None;
        };
        let (since, _) = self.jobs.front()?;
        let together = running.saturating_add(self.jobs.len().min(batch.max_size));
        let may_begin = has_place || self.is_full(batch);
        let fits = running == 0 || beside.is_some_and(|most| may_begin && together <= most);
        fits.then(|| since.checked_add(batch.max_age)).flatten()
    }

    /// Everything that was not begun.
    pub(super) fn into_jobs(self) -> impl Iterator<Item = Job> {
        self.jobs.into_iter().map(|(_, job)| job)
    }
}
