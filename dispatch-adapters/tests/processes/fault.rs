//! Logs that do not keep their promise, to see that it is noticed.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_adapters::model::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_adapters::model::uuid::Uuid;
use dispatch_adapters::model::{DeadLetter, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// What a log does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// It acknowledges an append, and writes it with the next one.
    AcknowledgesEarly,
    /// It saves a cursor at the end of the topic, wherever the subscription is.
    SavesEarly,
    /// It saves no cursor, and says that it has.
    SavesNothing,
    /// It parks no message, and says that it has.
    ParksNothing,
}

/// A log with a fault.
pub(crate) struct Faulty {
    log: Arc<dyn TopicLog>,
    fault: Fault,
    /// Acknowledged, and not written.
    unwritten: Mutex<Vec<LogEntry>>,
}

impl Faulty {
    pub(crate) fn new(log: Arc<dyn TopicLog>, fault: Fault) -> Self {
        Self { log, fault, unwritten: Mutex::default() }
    }
}

#[async_trait]
impl TopicLog for Faulty {
    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        if self.fault != Fault::AcknowledgesEarly {
            return self.log.append(topic, entries).await;
        }
        let mut unwritten = self.unwritten.lock().await;
        if !unwritten.is_empty() {
            self.log.append(topic, std::mem::take(&mut *unwritten)).await?;
        }
        let head = self.log.bounds(topic).await?.head;
        let offsets = head.range(entries.len() as u64).collect();
        *unwritten = entries;
        Ok(offsets)
    }

    async fn save_cursors(&self, subscription: &str, mut cursors: Vec<Cursor>) -> Result<(), LogError> {
        match self.fault {
            Fault::AcknowledgesEarly | Fault::ParksNothing => {}
            Fault::SavesEarly => {
                for cursor in &mut cursors {
                    cursor.next = self.log.bounds(&cursor.topic).await?.head;
                    cursor.settled = Default::default();
                }
            }
            Fault::SavesNothing => return Ok(()),
        }
        self.log.save_cursors(subscription, cursors).await
    }

    fn name(&self) -> &str {
        self.log.name()
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.log.sync_policy()
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        self.log.read(topic, from, limit).await
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        self.log.bounds(topic).await
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.log.topics().await
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.log.tail(topic, seen).await
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        self.log.offset_at(topic, time).await
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        self.log.usage(topic).await
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        self.log.offset_keeping(topic, bytes).await
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        self.log.trim(topic, below).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        self.log.save(subscription).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        self.log.load(subscription).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        self.log.subscriptions().await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        self.log.remove(subscription).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        self.log.floor(topic).await
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        if self.fault == Fault::ParksNothing { Ok(()) } else { self.log.park(subscription, letters).await }
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        self.log.parked(subscription, after, max).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        self.log.parked_count(subscription).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        self.log.unpark(subscription, ids).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.log.close().await
    }
}
