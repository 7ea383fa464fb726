use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_core::{DeadLetter, Topic};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

/// A log that takes its time, and now and then is not available: before it does what it was asked for, or afterwards.
pub struct FlakyLog {
    log: Arc<dyn TopicLog>,
    chance: Mutex<SmallRng>,
    is_shared: bool,
}

impl FlakyLog {
    /// Puts chance between a log and whoever uses it.
    #[must_use]
    pub fn new(log: Arc<dyn TopicLog>, seed: u64) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        Self { log, is_shared: chance.random(), chance: Mutex::new(chance) }
    }

    fn chance<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Half of the time at once.
    async fn takes_its_time(&self) {
        let delay = self.chance(|chance| chance.random_bool(0.5).then(|| chance.random_range(0..100)));
        if let Some(delay) = delay {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
    }

    fn may_fail(&self) -> Result<(), LogError> {
        if self.chance(|chance| chance.random_ratio(1, 20)) {
            return Err(LogError::unavailable("chance", "it is flaky"));
        }
        Ok(())
    }

    async fn asked<T>(&self, work: impl Future<Output = Result<T, LogError>>) -> Result<T, LogError> {
        self.takes_its_time().await;
        self.may_fail()?;
        let done = work.await;
        self.takes_its_time().await;
        self.may_fail()?;
        done
    }
}

#[async_trait]
impl TopicLog for FlakyLog {
    fn name(&self) -> &str {
        self.log.name()
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.log.sync_policy()
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        self.asked(self.log.append(topic, entries)).await
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        self.asked(self.log.read(topic, from, limit)).await
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        self.asked(self.log.bounds(topic)).await
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.asked(self.log.topics()).await
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.asked(self.log.tail(topic, seen)).await
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        self.asked(self.log.offset_at(topic, time)).await
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        self.asked(self.log.usage(topic)).await
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        self.asked(self.log.offset_keeping(topic, bytes)).await
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        self.asked(self.log.trim(topic, below)).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        self.asked(self.log.save(subscription)).await
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        self.asked(self.log.save_cursors(subscription, cursors)).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        self.asked(self.log.load(subscription)).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        self.asked(self.log.subscriptions()).await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        self.asked(self.log.remove(subscription)).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        self.asked(self.log.floor(topic)).await
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        self.asked(self.log.park(subscription, letters)).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        self.asked(self.log.parked(subscription, after, max)).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        self.asked(self.log.parked_count(subscription)).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        self.asked(self.log.unpark(subscription, ids)).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.log.close().await
    }
}
