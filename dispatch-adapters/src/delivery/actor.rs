use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dispatch_core::Envelope;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::protocol::Command;
use super::queue::{Pace, Queue};
use super::shared::Shared;
use super::work;

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
    let mut queue = Queue::new(pace);
    let mut running = Running::default();
    let mut futures = FuturesUnordered::new();
    // The numbers of jobs that have their outcome.
    let (end, mut ended) = mpsc::unbounded_channel();
    // Who waits until everything up to a number has its outcome, oldest first.
    let mut flushes: VecDeque<(u64, oneshot::Sender<()>)> = VecDeque::new();
    let mut open = true;
    let mut stop: Option<Instant> = None;
    loop {
        // Whoever has given up hurries nobody.
        flushes.retain(|(_, done)| !done.is_closed());
        let hurry = !open || stop.is_some() || !flushes.is_empty();
        loop {
            let begun = queue.begin(running.jobs.len(), shared.route.has_place(), hurry);
            if begun.is_empty() {
                break;
            }
            let begun = begun.into_iter().map(|job| (running.begin(job.envelope.clone()), job));
            match pace {
                Pace::Single(_) => {
                    futures.extend(begun.map(|(number, job)| {
                        work::one(Arc::clone(&shared), number, job, end.clone()).boxed()
                    }));
                }
                Pace::Rounds { .. } => {
                    futures.push(work::round(Arc::clone(&shared), begun.collect(), end.clone()).boxed());
                }
            }
        }
        while flushes.front().is_some_and(|(number, _)| running.is_past(*number))
            && let Some((_, done)) = flushes.pop_front()
        {
            // Whoever asked may have gone meanwhile.
            let _ = done.send(());
        }
        if running.jobs.is_empty() && queue.is_empty() && (!open || stop.is_some()) {
            break;
        }
        let has_place = shared.route.has_place();
        let due = queue.due(running.jobs.len(), has_place);
        let waits = !has_place && queue.waits_for_place(running.jobs.len());
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(stop.unwrap_or_else(Instant::now)), if stop.is_some() => break,
            Some(number) = ended.recv() => {
                running.jobs.remove(&number);
            }
            Some(()) = futures.next() => {}
            command = commands.recv(), if open => match command {
                Some(Command::Deliver(job)) => queue.push(job),
                Some(Command::Flush(done)) => flushes.push_back((running.last + queue.len() as u64, done)),
                Some(Command::Stop { until }) => {
                    stop = Some(stop.map_or(until, |earlier| earlier.min(until)));
                    // Nobody comes any more to fill the batch of those who have called.
                    shared.route.hurry();
                }
                None => open = false,
            },
            () = shared.route.place(), if waits => {}
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
    let left = running.jobs.into_values().chain(queue.into_jobs().map(|job| job.envelope));
    abandoned.send_replace(Some(left.collect()));
}
