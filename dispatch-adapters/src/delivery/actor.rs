use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use dispatch_core::policy::RefusedBy;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::protocol::{Command, Job};
use super::shared::Shared;

/// Works on what was queued, so many at once, until the last handle is gone or it is told to stop.
pub(super) async fn run(
    shared: Arc<Shared>,
    concurrency: usize,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let mut queue: VecDeque<Job> = VecDeque::new();
    let mut running = FuturesUnordered::new();
    // What is being worked on, to hand it back if there is no time to finish.
    let mut taken: HashMap<u64, Envelope> = HashMap::new();
    let (mut open, mut number) = (true, 0);
    let mut stop: Option<(Instant, oneshot::Sender<Vec<Envelope>>)> = None;
    loop {
        while running.len() < concurrency
            && let Some(job) = queue.pop_front()
        {
            number += 1;
            taken.insert(number, job.envelope.clone());
            running.push(work(Arc::clone(&shared), number, job));
        }
        if running.is_empty() && (!open || stop.is_some()) {
            break;
        }
        let end = stop.as_ref().map(|(until, _)| *until);
        tokio::select! {
            biased;
            Some(done) = running.next() => {
                taken.remove(&done);
            }
            command = commands.recv(), if open => match command {
                Some(Command::Deliver(job)) => queue.push_back(job),
                Some(Command::Stop { until, reply }) => {
                    stop = Some((until, reply));
                    // Nobody comes any more to fill the batch.
                    shared.route.drain();
                }
                None => open = false,
            },
            () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => break,
        }
    }
    drop(running);
    // What was taken at the same moment as the word to stop is taken, too.
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Deliver(job) = command {
            queue.push_back(job);
        }
    }
    if let Some((_, reply)) = stop {
        let left = taken.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_values();
        let left = left.chain(queue.into_iter().map(|job| job.envelope));
        // Whoever asked may have gone.
        let _ = reply.send(left.collect());
    }
}

async fn work(shared: Arc<Shared>, number: u64, job: Job) -> u64 {
    let Job { envelope, reply, permit } = job;
    let outcome = deliver(&shared, &envelope).await;
    drop(permit);
    // The ticket may have been dropped.
    let _ = reply.send(outcome);
    number
}

/// Delivers what was taken: a refusal is not for the one who queued it, so it is tried again.
async fn deliver(shared: &Shared, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
    loop {
        let result = shared.deliver(envelope).await;
        let refusal = result.as_ref().err().and_then(DeliveryError::refusal);
        match refusal {
            Some(refusal) if refusal.by != RefusedBy::Stopped => {
                let pause = refusal.retry_in.unwrap_or(Duration::from_millis(100));
                tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
            }
            _ => return result,
        }
    }
}
