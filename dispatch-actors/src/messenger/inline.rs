use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::dispatch::DispatchStatus;
use dispatch_core::dispatcher::RetryAdvice;
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::{Name, QueuedMessage};
use dispatch_core::queue::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MessageQueue, Page, QueueError, Settlement,
    StoredMessage, Submission, Wakeup, Wakeups,
};
use futures_util::future::join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Engine;

/// A [`MessageQueue`] that keeps nothing: a message is handled before its dispatch returns, and a failure is the
/// caller's.
///
/// - Schedules, priorities, keys and times to live have no effect: whatever is sent is handled at once.
/// - There are no retries, and nothing to claim, to list or to replay.
/// - The messages of one call are handled side by side.
pub struct InlineQueue {
    name: String,
    engine: Option<Engine>,
    closed: AtomicBool,
    wakeups: Arc<Wakeups>,
}

impl InlineQueue {
    /// A queue whose messages an engine handles.
    pub fn new(name: impl Into<String>, engine: Engine) -> Self {
        Self { engine: Some(engine), ..Self::idle(name) }
    }

    /// A queue that refuses every message, for want of an engine: for a transport that is configured and not used.
    pub fn idle(name: impl Into<String>) -> Self {
        Self { name: name.into(), engine: None, closed: AtomicBool::new(false), wakeups: Arc::default() }
    }

    fn check_open(&self) -> Result<(), QueueError> {
        if self.closed.load(Ordering::Acquire) { Err(QueueError::Closed) } else { Ok(()) }
    }

    async fn handle(&self, message: QueuedMessage) -> Result<Enqueued, QueueError> {
        let Some(engine) = &self.engine else {
            return Err(QueueError::Unsupported {
                what: "messages of this transport are handled at once, and there is no engine: give the messenger one",
            });
        };
        let failed = |what: String, retryable| QueueError::Handler {
            message_type: message.message_type.to_string(),
            what,
            retryable,
        };
        let topic = message.topic().map_err(|error| failed(error.to_string(), false))?;
        let dispatched = engine.dispatch(topic, message.to_envelope()).await;
        let result = dispatched.map_err(|refused| failed(refused.to_string(), refused.is_retryable()))?;
        match result.status() {
            DispatchStatus::Success | DispatchStatus::Skipped => Ok(Enqueued::stored(message.id)),
            status => {
                let helpless =
                    matches!(status, DispatchStatus::NoDispatcher | DispatchStatus::InvalidMessage);
                let mut failed_ones =
                    result.outcomes().filter(|outcome| !outcome.status().is_successful()).peekable();
                let some = failed_ones.peek().is_some();
                let never = some && failed_ones.all(|outcome| outcome.advice() == RetryAdvice::Never);
                let what = result.error_message().map_or_else(|| status.as_str().to_owned(), str::to_owned);
                Err(failed(what, !helpless && !never))
            }
        }
    }
}

#[async_trait]
impl MessageQueue for InlineQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Memory
    }

    fn keeps(&self) -> bool {
        false
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.check_open()?;
        Ok(join_all(submissions.into_iter().map(|submission| self.handle(submission.message))).await)
    }

    async fn claim(&self, _: &Claim) -> Result<Claimed, QueueError> {
        self.check_open()?;
        Ok(Claimed { seen: self.wakeups.seen(), ..Claimed::default() })
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        _: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        self.check_open()?;
        Ok(tokens.iter().map(|token| Err(QueueError::LeaseLost { id: token.id })).collect())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.check_open()?;
        let lost = |settlement: &Settlement| Err(QueueError::LeaseLost { id: settlement.token.id });
        Ok(settlements.iter().map(lost).collect())
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.wakeups.wait(seen).await.ok_or(QueueError::Closed)
    }

    async fn depth(&self, _: Option<&Name>) -> Result<Depth, QueueError> {
        self.check_open().map(|()| Depth::default())
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.check_open().map(|()| Vec::new())
    }

    async fn set_paused(&self, _: &Name, _: bool) -> Result<(), QueueError> {
        self.check_open()?;
        Err(QueueError::Unsupported {
            what: "messages of this transport are handled at once: there is nothing to pause",
        })
    }

    async fn find(&self, _: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.check_open().map(|()| None)
    }

    async fn list(&self, _: &Filter, _: Page) -> Result<Vec<StoredMessage>, QueueError> {
        self.check_open().map(|()| Vec::new())
    }

    async fn replay(
        &self,
        _: Uuid,
        _: Option<Map<String, Value>>,
        _: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        self.check_open().map(|()| false)
    }

    async fn cancel(&self, _: &[Uuid]) -> Result<u64, QueueError> {
        self.check_open().map(|()| 0)
    }

    async fn purge(&self, _: &Filter) -> Result<u64, QueueError> {
        self.check_open().map(|()| 0)
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        self.check_open()
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.closed.store(true, Ordering::Release);
        self.wakeups.close();
        Ok(())
    }
}
