use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::policy::BatchPolicy;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::protocol::{Command, Job};
use super::shared::Shared;
use super::work;

/// How much of what was queued is worked on at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many: their order is that in which they are begun, and no more.
    AtOnce(usize),
    /// One round after the other: what is begun has its outcome, retries included, before anything behind it is begun. A
    /// round is a batch, or one envelope.
    InOrder(BatchPolicy),
}

/// What waits, and since when.
struct Queue {
    pace: Pace,
    jobs: VecDeque<(Instant, Job)>,
}

impl Queue {
    fn push(&mut self, job: Job) {
        // Only a batch asks how long it has waited.
        let now = match (self.pace, self.jobs.back()) {
            (Pace::AtOnce(_), Some((before, _))) => *before,
            _ => Instant::now(),
        };
        self.jobs.push_back((now, job));
    }

    /// How many may begin while so many run.
    fn ready(&self, running: usize, hurry: bool) -> usize {
        let waiting = self.jobs.len();
        match self.pace {
            Pace::AtOnce(most) => waiting.min(most.saturating_sub(running)),
            Pace::InOrder(_) if running > 0 => 0,
            Pace::InOrder(round) => {
                let is_due = hurry || self.due().is_some_and(|due| due <= Instant::now());
                if is_due || waiting >= round.max_size { waiting.min(round.max_size) } else { 0 }
            }
        }
    }

    /// When the next round begins, whether it is full or not.
    fn due(&self) -> Option<Instant> {
        let (since, _) = self.jobs.front()?;
        match self.pace {
            Pace::AtOnce(_) => None,
            Pace::InOrder(round) => since.checked_add(round.max_age),
        }
    }
}

/// The jobs that run.
#[derive(Default)]
struct Running {
    /// By number, to hand them back if there is no time to finish.
    jobs: BTreeMap<u64, Envelope>,
    /// The number of the job that was begun last.
    last: u64,
}

impl Running {
    /// The number of a job that begins.
    fn begin(&mut self, envelope: Envelope) -> u64 {
        self.last += 1;
        self.jobs.insert(self.last, envelope);
        self.last
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
    let mut queue = Queue { pace, jobs: VecDeque::new() };
    let mut running = Running::default();
    let mut futures = FuturesUnordered::new();
    // The numbers of jobs that have their outcome.
    let (end, mut ended) = mpsc::unbounded_channel();
    // Who waits until everything up to a number has its outcome, oldest first.
    let mut flushes: VecDeque<(u64, oneshot::Sender<()>)> = VecDeque::new();
    let mut open = true;
    let mut stop: Option<Instant> = None;
    loop {
        let hurry = !open || stop.is_some() || !flushes.is_empty();
        let ready = queue.ready(running.jobs.len(), hurry);
        let round: Vec<_> =
            queue.jobs.drain(..ready).map(|(_, job)| (running.begin(job.envelope.clone()), job)).collect();
        match pace {
            Pace::AtOnce(_) => {
                let each = round
                    .into_iter()
                    .map(|(number, job)| work::one(Arc::clone(&shared), number, job, end.clone()).boxed());
                futures.extend(each);
            }
            Pace::InOrder(_) if round.is_empty() => {}
            Pace::InOrder(_) => futures.push(work::round(Arc::clone(&shared), round, end.clone()).boxed()),
        }
        while flushes.front().is_some_and(|(number, _)| running.is_past(*number))
            && let Some((_, done)) = flushes.pop_front()
        {
            shared.route.calm();
            // Whoever asked may have gone.
            let _ = done.send(());
        }
        if running.jobs.is_empty() && queue.jobs.is_empty() && (!open || stop.is_some()) {
            break;
        }
        let due = queue.due().filter(|_| running.jobs.is_empty());
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(stop.unwrap_or_else(Instant::now)), if stop.is_some() => break,
            Some(number) = ended.recv() => {
                running.jobs.remove(&number);
            }
            Some(()) = futures.next() => {}
            command = commands.recv(), if open => match command {
                Some(Command::Deliver(job)) => queue.push(job),
                Some(Command::Flush(done)) => {
                    shared.route.hurry();
                    flushes.push_back((running.last + queue.jobs.len() as u64, done));
                }
                Some(Command::Stop { until }) => {
                    stop = Some(stop.map_or(until, |earlier| earlier.min(until)));
                    // Nobody comes any more to fill the batch, nor below.
                    shared.route.hurry();
                }
                None => {
                    open = false;
                    shared.route.hurry();
                }
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
    // What has its outcome by now is told of.
    while let Some(Some(())) = futures.next().now_or_never() {}
    drop(futures);
    while let Ok(number) = ended.try_recv() {
        running.jobs.remove(&number);
    }
    // What was taken at the same moment as the word to stop is taken, too.
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Deliver(job) = command {
            queue.push(job);
        }
    }
    let left = running.jobs.into_values().chain(queue.jobs.into_iter().map(|(_, job)| job.envelope));
    abandoned.send_replace(Some(left.collect()));
}
