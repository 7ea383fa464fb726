use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, Page, QueueError, Settlement, StoredMessage,
    Submission, Wakeup,
};
use crate::log::SyncPolicy;
use crate::messenger::Name;

/// A durable queue of background messages.
///
/// # Contract
/// - `enqueue` answers `Ok` when the [sync policy](Self::sync_policy) is met. A message whose id is there already is not
///   stored again, so whoever got no answer may ask again. (Once it was done it may be gone, and would be stored again:
///   give it a key.) Of messages with one idempotency key at most one is stored
///   within the time that the key is remembered, however many are sent at the same time.
/// - `claim` is one atomic step. It takes messages that are ready and due: by priority, highest first, then by the time
///   at which they are due, then by id. A message whose lease ran out is ready again, and the attempt counts.
/// - Of messages with one ordering key at most as many as the queue was made for (one, unless said otherwise) have begun
///   and are not settled; the others wait. Among those that wait the one that is due first is next, then the lowest id.
///   One that is retried, or handed back until a time, keeps its place before them, however late it is due.
/// - At most one claim of a message is valid: `extend` and `settle` with the token of another one change nothing and
///   say [`QueueError::LeaseLost`]. A lease that ran out is valid until somebody claims anything from the store.
/// - `settle` moves a message in one step, and is as durable as `enqueue`.
/// - A message that is nested too deep to be read back is refused, and so is such a payload of a replay.
/// - A message is gone only once it was done, expired, cancelled or purged.
/// - Dropping a future leaves the queue usable; what it was about may or may not have been done.
///
/// `queue::conformance` (feature `conformance`) checks all of it.
#[async_trait]
pub trait MessageQueue: Send + Sync + 'static {
    /// What logs, metrics and errors call it: the name of the transport.
    fn name(&self) -> &str;

    /// When a message is acknowledged.
    fn sync_policy(&self) -> SyncPolicy;

    /// How long a message may be sought in vain after another process has stored it: workers look that often.
    /// `None` if only this process stores messages.
    fn poll_interval(&self) -> Option<Duration> {
        None
    }

    /// Whether messages are stored, so that they can wait until they are due. Where they are handled at once, schedules,
    /// keys and retries have no effect.
    fn keeps(&self) -> bool {
        true
    }

    /// Stores messages; one answer per message, in order.
    ///
    /// # Errors
    /// [`QueueError`]. Messages fail apart from each other with an error of their own; if the call fails, none of them
    /// was stored, or with [`QueueError::Unavailable`] perhaps all.
    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError>;

    /// Takes messages to work on.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError>;

    /// Lets leases run for this much longer from now; one answer per token, in order: until when.
    ///
    /// # Errors
    /// [`QueueError`] if none was looked at.
    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError>;

    /// Says what became of messages; one answer per settlement, in order.
    ///
    /// # Errors
    /// [`QueueError`] if none was settled; with [`QueueError::Unavailable`] perhaps all.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError>;

    /// Waits until there may be something to claim that was not there at `seen`.
    ///
    /// It may come back for nothing. What another process stores it may miss, within [`poll_interval`](Self::poll_interval),
    /// and a message that becomes due by time alone wakes nobody.
    ///
    /// # Errors
    /// [`QueueError::Closed`].
    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError>;

    /// How many messages there are, in one queue or in all.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError>;

    /// Every queue that ever had a message, sorted, and whether it is paused.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError>;

    /// Every queue that ever had a message, sorted: whether it is paused, and how many messages it has.
    ///
    /// Made of [`queues`](Self::queues) and [`depth`](Self::depth), unless the queue counts all of them in one look.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn depths(&self) -> Result<Vec<(Name, bool, Depth)>, QueueError> {
        let mut depths = Vec::new();
        for (name, is_paused) in self.queues().await? {
            let depth = self.depth(Some(&name)).await?;
            depths.push((name, is_paused, depth));
        }
        Ok(depths)
    }

    /// Pauses a queue or lets it go on, for all workers everywhere, until the opposite is said. What is being worked on
    /// goes on.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError>;

    /// One message.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError>;

    /// Messages in the order of their ids.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError>;

    /// Makes a failed message ready again, with a new series of attempts, and perhaps another payload. Its id stays, and
    /// no key is looked at. `false` if it is not there or has not failed.
    ///
    /// # Errors
    /// [`QueueError`]; [`QueueError::NotStorable`] for a message that cannot be read: dispatch what it should have been,
    /// and cancel it.
    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError>;

    /// Removes messages that nobody works on, and forgets their keys; how many there were.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError>;

    /// Removes every message that is meant and that nobody works on, and forgets its key; how many there were.
    ///
    /// # Errors
    /// [`QueueError`]. Some may have been removed by then.
    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError>;

    /// Removes keys whose time is over, and messages that were kept after they were done for as long as the queue was
    /// made to. Workers call it now and then.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn sweep(&self) -> Result<(), QueueError>;

    /// Writes what is still in memory and gives up files and connections. Everything else is refused from then on.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn close(&self) -> Result<(), QueueError>;
}
