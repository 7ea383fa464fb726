//! The figures of a messenger: what it has sent, and what its workers have done.
//!
//! - A worker owns its figures, and hands them over when it ends, however it does: so what all of them have done is what
//!   those say that run, and what was handed over.
//! - The lock on the list of workers is held when one begins or ends and when somebody asks, never for a message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use actix::WeakRecipient;
use actix::prelude::*;
use dispatch_core::queue::{Depth, Enqueued, MessageQueue, QueueError};
use dispatch_metrics::{
    MessengerMetrics, QueueMetrics, SendMetrics, TransportMetrics, WorkMetrics, WorkerMetrics,
};
use futures_util::future::join_all;

use super::Messenger;

/// Asks a worker for its figures.
#[derive(Message)]
#[rtype(result = "WorkerMetrics")]
pub(super) struct AskMetrics;

/// What became of the messages that were sent to a transport, from any thread.
#[derive(Default)]
pub(super) struct SendMeter {
    stored: AtomicU64,
    replaced: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
}

impl SendMeter {
    pub(super) fn count(&self, answer: &Result<Enqueued, QueueError>) {
        let counter = match answer {
            Ok(Enqueued { duplicate_of: Some(_), .. }) | Err(QueueError::Duplicate { .. }) => {
                &self.duplicates
            }
            Ok(Enqueued { replaced: Some(_), .. }) => &self.replaced,
            Ok(_) => &self.stored,
            Err(_) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, messages: usize) {
        self.refused.fetch_add(messages as u64, Ordering::Relaxed);
    }

    fn read(&self) -> SendMetrics {
        let mut sends = SendMetrics::default();
        sends.stored = self.stored.load(Ordering::Relaxed);
        sends.replaced = self.replaced.load(Ordering::Relaxed);
        sends.duplicates = self.duplicates.load(Ordering::Relaxed);
        sends.refused = self.refused.load(Ordering::Relaxed);
        sends
    }
}

/// The workers of a messenger in this process.
#[derive(Default)]
pub(super) struct Roster(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    /// By number, which is given again; with one that is not, and without an address until the worker has begun.
    live: BTreeMap<u32, (u64, Option<WeakRecipient<AskMetrics>>)>,
    /// How many there ever were.
    entered: u64,
    /// What those have done that have ended, by transport.
    ended: BTreeMap<String, WorkMetrics>,
}

impl Roster {
    /// The lowest number that no worker has.
    pub(super) fn enter(&self) -> u32 {
        let mut listed = self.listed();
        let number = (1..).find(|number| !listed.live.contains_key(number)).unwrap_or_default();
        listed.entered += 1;
        let entered = listed.entered;
        listed.live.insert(number, (entered, None));
        number
    }

    pub(super) fn begin(&self, number: u32, address: WeakRecipient<AskMetrics>) {
        // One that has ended already is not listed any more.
        if let Some((_, listed)) = self.listed().live.get_mut(&number) {
            *listed = Some(address);
        }
    }

    pub(super) fn leave(&self, number: u32, work: impl IntoIterator<Item = (String, WorkMetrics)>) {
        let mut listed = self.listed();
        listed.live.remove(&number);
        for (transport, work) in work {
            listed.ended.entry(transport).or_default().merge(&work);
        }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        // Numbers are added up; a panic in between leaves none of them wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures of those that run, by number, and what the others have done.
    async fn metrics(&self) -> (BTreeMap<u32, WorkerMetrics>, BTreeMap<String, WorkMetrics>) {
        let live: Vec<_> = {
            let listed = self.listed();
            let upgraded = listed.live.iter().map(|(number, address)| (*number, address.clone()));
            upgraded.collect()
        };
        let asked = live.into_iter().map(|(number, (entered, address))| async move {
            let answer = address?.upgrade()?.send(AskMetrics).await;
            Some((number, entered, answer.ok()?))
        });
        let answers = join_all(asked).await.into_iter().flatten();
        // One that has ended meanwhile is among the others by now, and counts once.
        let listed = self.listed();
        let is_live = |number, entered| listed.live.get(&number).is_some_and(|live| live.0 == entered);
        let still = answers.filter(|(number, entered, _)| is_live(*number, *entered));
        (still.map(|(number, _, answer)| (number, answer)).collect(), listed.ended.clone())
    }
}

impl Messenger {
    /// How the transports and the workers of this messenger are, as metrics: plain numbers, which serialise, and which
    /// `dispatch_metrics::prometheus` writes as text.
    ///
    /// Every transport and every worker is asked, all side by side. A transport that does not answer is said to be not
    /// reachable, and its queues are left out. A worker answers when its thread has time for it.
    ///
    /// ```
    /// # use dispatch_actors::messenger::Messenger;
    /// # use dispatch_core::{messenger::Message, queue::MemoryQueue};
    /// # #[actix::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let messenger = Messenger::builder().transport("default", MemoryQueue::new("default")).build()?;
    /// messenger.dispatch(Message::new("SendMail", &serde_json::json!({}))?).await?;
    /// let metrics = messenger.metrics().await;
    /// let own = &metrics.transports["default"];
    /// assert_eq!((own.sends.stored, own.queues["default"].ready), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn metrics(&self) -> MessengerMetrics {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let looks = shared.queues.iter().map(|(name, queue)| async move {
            let mut own = TransportMetrics::default();
            match depths(&**queue, now).await {
                Ok(queues) => (own.reachable, own.queues) = (true, queues),
                Err(error) => {
                    tracing::warn!(transport = name, %error, "a transport does not say what it has");
                }
            }
            (name.clone(), own)
        });
        let mut metrics = MessengerMetrics::new(&shared.name);
        metrics.transports = join_all(looks).await.into_iter().collect();
        let (workers, ended) = shared.roster.metrics().await;
        for (name, own) in &mut metrics.transports {
            own.sends = shared.meters.get(name).map(SendMeter::read).unwrap_or_default();
            let work = workers.values().filter_map(|worker| worker.work.get(name));
            work.chain(ended.get(name)).for_each(|work| own.work.merge(work));
        }
        metrics.workers = workers.into_iter().map(|(number, own)| (number.to_string(), own)).collect();
        metrics
    }
}

/// What is in the queues of a transport.
async fn depths(
    queue: &dyn MessageQueue,
    now: SystemTime,
) -> Result<BTreeMap<String, QueueMetrics>, QueueError> {
    let depths = queue.depths().await?.into_iter();
    Ok(depths.map(|(name, paused, depth)| (name.to_string(), of_depth(&depth, paused, now))).collect())
}

fn of_depth(depth: &Depth, paused: bool, now: SystemTime) -> QueueMetrics {
    let mut own = QueueMetrics::default();
    own.paused = paused;
    (own.ready, own.scheduled, own.waiting) = (depth.ready, depth.scheduled, depth.waiting);
    (own.leased, own.failed, own.done) = (depth.leased, depth.failed, depth.done);
    own.oldest_ready = depth.oldest_ready.map(|since| now.duration_since(since).unwrap_or_default());
    own
}
