use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Progress, Receipt};
use dispatch_core::policy::RefusedBy;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::protocol::{Command, Job};
use super::route::Course;
use super::shared::Shared;
use crate::batch::Order;

/// How much of what was queued is worked on at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many: their order is that in which they are begun, and no more.
    AtOnce(usize),
    /// One round after the other, each as large as a batch: what is begun has its outcome, retries included, before
    /// anything behind it is begun. Without a batch a round is one envelope.
    InOrder { round: usize, max_age: Duration },
}

/// The jobs that run.
struct Running {
    pace: Pace,
    /// By number, to hand them back if there is no time to finish.
    jobs: BTreeMap<u64, Envelope>,
    /// The number of the job that was begun last.
    last: u64,
    /// When the round began, and how many may still join it.
    since: Instant,
    places: usize,
}

impl Running {
    /// Whether another job may begin.
    fn has_room(&mut self) -> bool {
        match self.pace {
            Pace::AtOnce(most) => self.jobs.len() < most,
            Pace::InOrder { round, max_age } => {
                if self.jobs.is_empty() {
                    (self.since, self.places) = (Instant::now(), round);
                    return true;
                }
                // Later the batch of the round has left.
                self.places > 0 && self.since.elapsed() < max_age
            }
        }
    }

    /// The number of a job that begins.
    fn begin(&mut self, envelope: Envelope) -> u64 {
        self.last += 1;
        self.places = self.places.saturating_sub(1);
        self.jobs.insert(self.last, envelope);
        self.last
    }

    fn end(&mut self, number: u64) {
        if self.jobs.remove(&number).is_some() {
            self.places = 0;
        }
    }

    /// Whether every job up to that number has its outcome.
    fn is_past(&self, number: u64) -> bool {
        self.last >= number && self.jobs.keys().next().is_none_or(|first| *first > number)
    }
}

/// Works on what was queued until the last handle is gone or it is told to stop.
pub(super) async fn run(
    shared: Arc<Shared>,
    pace: Pace,
    mut commands: mpsc::UnboundedReceiver<Command>,
    abandoned: watch::Sender<Option<Vec<Envelope>>>,
) {
    let mut queue: VecDeque<Job> = VecDeque::new();
    let mut running = Running { pace, jobs: BTreeMap::new(), last: 0, since: Instant::now(), places: 0 };
    let mut futures = FuturesUnordered::new();
    // Who waits until everything up to a number has its outcome, oldest first.
    let mut flushes: VecDeque<(u64, oneshot::Sender<()>)> = VecDeque::new();
    let (mut open, mut hurry) = (true, false);
    let mut stop: Option<Instant> = None;
    loop {
        while !queue.is_empty() && running.has_room() {
            let Some(job) = queue.pop_front() else {
                break;
            };
            let number = running.begin(job.envelope.clone());
            hurry |= flushes.back().is_some_and(|(last, _)| number <= *last);
            futures.push(work(Arc::clone(&shared), number, job).boxed());
        }
        if std::mem::take(&mut hurry) {
            // Looked at after the jobs, which have then come to their batch.
            futures.push(flush(Arc::clone(&shared)).boxed());
        }
        while flushes.front().is_some_and(|(number, _)| running.is_past(*number))
            && let Some((_, done)) = flushes.pop_front()
        {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        if running.jobs.is_empty() && (!open || stop.is_some()) {
            break;
        }
        tokio::select! {
            biased;
            Some(done) = futures.next() => running.end(done),
            command = commands.recv(), if open => match command {
                Some(Command::Deliver(job)) => queue.push_back(job),
                Some(Command::Flush(done)) => {
                    flushes.push_back((running.last + queue.len() as u64, done));
                    hurry = true;
                }
                Some(Command::Stop { until }) => {
                    stop = Some(stop.map_or(until, |earlier| earlier.min(until)));
                    // Nobody comes any more to fill the batch.
                    shared.route.drain();
                }
                None => open = false,
            },
            () = tokio::time::sleep_until(stop.unwrap_or_else(Instant::now)), if stop.is_some() => break,
        }
    }
    drop(futures);
    // What was taken at the same moment as the word to stop is taken, too.
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Deliver(job) = command {
            queue.push_back(job);
        }
    }
    let left = running.jobs.into_values().chain(queue.into_iter().map(|job| job.envelope));
    abandoned.send_replace(Some(left.collect()));
}

/// Sends the batch that is being collected; its number is that of no job.
async fn flush(shared: Arc<Shared>) -> u64 {
    shared.route.flush().await;
    0
}

async fn work(shared: Arc<Shared>, number: u64, job: Job) -> u64 {
    let Job { envelope, reply, permit } = job;
    let outcome = deliver(&shared, &envelope).await;
    drop(permit);
    // The ticket may have been dropped.
    let _ = reply.send(outcome);
    number
}

/// Delivers what was taken: a refusal is not for the one who queued it, so it is tried again. Only a destination that was
/// shut down takes nothing ever again, which is a failure for good.
async fn deliver(shared: &Shared, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
    let progress = Progress::new();
    let course = Course { progress: &progress, order: Order::Kept };
    loop {
        let result = shared.deliver(envelope, course).await;
        let Some(refusal) = result.as_ref().err().and_then(DeliveryError::refusal) else {
            return result;
        };
        if refusal.by == RefusedBy::Stopped {
            if let Err(error) = &result {
                shared.bury(envelope, error).await;
            }
            return result;
        }
        let pause = refusal.retry_in.unwrap_or(Duration::from_millis(100));
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }
}
