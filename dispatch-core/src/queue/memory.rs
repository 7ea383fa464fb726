use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MessageQueue, MessageState, Page, QueueError,
    QueueLimits, QueueState, Settlement, StoredMessage, Submission, Wakeup, Wakeups,
};
use crate::log::SyncPolicy;
use crate::messenger::{Name, QueuedMessage};
use crate::time::{Clock, SystemClock};

/// A [`MessageQueue`] that is lost with the process: for tests, and for messages that may be.
///
/// It keeps every promise of the contract but one: nothing survives the process. One lock guards it, held for as long
/// as a call takes; messages are shared, not copied.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use dispatch_core::messenger::{DispatchOptions, Message, MessengerConfig};
/// use dispatch_core::queue::{Claim, MemoryQueue, MessageQueue, Settlement, Submission, WorkerId};
/// use serde_json::json;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = MemoryQueue::new("default");
/// let routing = MessengerConfig::default().check()?;
/// let message = Message::new("SendMail", &json!({ "to": "ann@example.com" }))?;
/// for planned in routing.plan(&message, &DispatchOptions::default(), SystemTime::now(), uuid::Uuid::now_v7)? {
///     queue.enqueue(vec![Submission::new(planned)]).await?;
/// }
/// let claim = Claim {
///     worker: WorkerId::new("one"),
///     queues: vec!["default".parse()?],
///     max: 10,
///     lease: Duration::from_secs(60),
/// };
/// let claimed = queue.claim(&claim).await?;
/// assert_eq!(claimed.messages.len(), 1);
/// queue.settle(claimed.messages.into_iter().map(|leased| Settlement::done(leased.token)).collect()).await?;
/// assert_eq!(queue.depth(None).await?.open(), 0);
/// # Ok(())
/// # }
/// # let mut future = Box::pin(example());
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// # assert!(matches!(future.as_mut().poll(&mut cx), std::task::Poll::Ready(Ok(()))));
/// ```
pub struct MemoryQueue {
    name: String,
    clock: Arc<dyn Clock>,
    closed: AtomicBool,
    state: Mutex<QueueState>,
    wakeups: Wakeups,
}

impl MemoryQueue {
    /// An empty queue with the system's clock and no limits of its own.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            clock: Arc::new(SystemClock),
            closed: AtomicBool::new(false),
            state: Mutex::default(),
            wakeups: Wakeups::default(),
        }
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets what the queue is made for. It has to be empty still.
    #[must_use]
    pub fn with_limits(mut self, limits: QueueLimits) -> Self {
        self.state = Mutex::new(QueueState::new(limits));
        self
    }

    /// Does something with the state, unless the queue was closed, and wakes workers if it made something ready.
    fn with<T>(&self, step: impl FnOnce(&mut QueueState, SystemTime) -> T) -> Result<T, QueueError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(QueueError::Closed);
        }
        let now = self.clock.now();
        let mut state = self.state();
        let done = step(&mut state, now);
        let woken = state.take_woken();
        drop(state);
        if woken {
            self.wakeups.wake();
        }
        Ok(done)
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        // Nothing is half done when a holder panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageQueue for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Memory
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.with(|state, now| {
            let store = |submission: Submission| {
                submission.message.check_nesting()?;
                state.enqueue(submission, now)
            };
            submissions.into_iter().map(store).collect()
        })
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let seen = self.wakeups.seen();
        let claimed = self.with(|state, now| state.claim(claim, now))?;
        Ok(Claimed { seen, ..claimed })
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        self.with(|state, now| tokens.iter().map(|token| state.extend(token, lease, now)).collect())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.with(|state, now| {
            settlements.into_iter().map(|settlement| state.settle(settlement, now)).collect()
        })
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.wakeups.wait(seen).await.ok_or(QueueError::Closed)
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        self.with(|state, now| state.depth(queue, now))
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.with(|state, _| state.queues().map(|(name, paused)| (name.clone(), paused)).collect())
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        self.with(|state, _| state.set_paused(queue, paused))
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.with(|state, _| state.find(id).cloned())
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        self.with(|state, _| state.list(filter, page).cloned().collect())
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        self.with(|state, now| {
            let has_failed = state.find(id).is_some_and(|stored| stored.state == MessageState::Failed);
            if let Some(payload) = payload.as_ref().filter(|_| has_failed) {
                QueuedMessage::check_payload(payload)?;
            }
            Ok(state.replay(id, payload, at, now))
        })?
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        self.with(|state, _| state.cancel(ids.iter().copied()))
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        self.with(|state, _| state.purge(filter))
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        self.with(QueueState::sweep)
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.closed.store(true, Ordering::Release);
        self.wakeups.close();
        Ok(())
    }
}

impl std::fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryQueue").field("name", &self.name).finish_non_exhaustive()
    }
}
