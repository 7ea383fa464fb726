use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_core::{DeadLetter, Topic};
use uuid::Uuid;

/// What a log may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the methods of a log")]
pub enum Asked {
    Append,
    Read,
    Bounds,
    Topics,
    Tail,
    OffsetAt,
    Usage,
    OffsetKeeping,
    Trim,
    Save,
    SaveCursors,
    Load,
    Subscriptions,
    Remove,
    Floor,
    Park,
    Parked,
    ParkedCount,
    Unpark,
}

/// What stands between a log and whoever uses it.
#[async_trait]
pub trait Trouble: Send + Sync + 'static {
    /// Whether the log says that others write to it.
    fn is_shared(&self) -> bool;

    /// Before the log is asked.
    ///
    /// # Errors
    /// What it fails with, without having been asked.
    async fn before(&self, asked: Asked) -> Result<(), LogError>;

    /// Before the log is asked to append these.
    ///
    /// # Errors
    /// What it fails with, without having been asked.
    async fn before_append(&self, _entries: &[LogEntry]) -> Result<(), LogError> {
        Ok(())
    }

    /// After the log has answered.
    ///
    /// # Errors
    /// What it fails with, though it was done.
    async fn after(&self, asked: Asked) -> Result<(), LogError>;

    /// What it makes of what was read.
    fn of_read(&self, read: LogRead) -> LogRead {
        read
    }
}

/// A log with trouble before it.
pub struct Between<T> {
    log: RwLock<Arc<dyn TopicLog>>,
    name: String,
    /// What stands before it.
    pub trouble: T,
}

impl<T: Trouble> Between<T> {
    /// Puts trouble before a log.
    #[must_use]
    pub fn with(log: Arc<dyn TopicLog>, trouble: T) -> Self {
        Self { name: log.name().to_owned(), log: RwLock::new(log), trouble }
    }

    /// Has another log from now on, as if something had happened to the one that it had.
    pub fn replace(&self, log: Arc<dyn TopicLog>) {
        *self.log.write().unwrap_or_else(PoisonError::into_inner) = log;
    }

    /// The log that it has.
    #[must_use]
    pub fn log(&self) -> Arc<dyn TopicLog> {
        Arc::clone(&self.log.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask<A>(
        &self,
        asked: Asked,
        work: impl Future<Output = Result<A, LogError>>,
    ) -> Result<A, LogError> {
        self.trouble.before(asked).await?;
        let done = work.await;
        self.trouble.after(asked).await?;
        done
    }
}

#[async_trait]
impl<T: Trouble> TopicLog for Between<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.log().sync_policy()
    }

    fn is_shared(&self) -> bool {
        self.trouble.is_shared()
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        let append = async {
            self.trouble.before_append(&entries).await?;
            self.log().append(topic, entries).await
        };
        self.ask(Asked::Append, append).await
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let read = self.ask(Asked::Read, self.log().read(topic, from, limit)).await?;
        Ok(self.trouble.of_read(read))
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        self.ask(Asked::Bounds, self.log().bounds(topic)).await
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.ask(Asked::Topics, self.log().topics()).await
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.ask(Asked::Tail, self.log().tail(topic, seen)).await
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        self.ask(Asked::OffsetAt, self.log().offset_at(topic, time)).await
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        self.ask(Asked::Usage, self.log().usage(topic)).await
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        self.ask(Asked::OffsetKeeping, self.log().offset_keeping(topic, bytes)).await
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        self.ask(Asked::Trim, self.log().trim(topic, below)).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        self.ask(Asked::Save, self.log().save(subscription)).await
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        self.ask(Asked::SaveCursors, self.log().save_cursors(subscription, cursors)).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        self.ask(Asked::Load, self.log().load(subscription)).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        self.ask(Asked::Subscriptions, self.log().subscriptions()).await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        self.ask(Asked::Remove, self.log().remove(subscription)).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        self.ask(Asked::Floor, self.log().floor(topic)).await
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        self.ask(Asked::Park, self.log().park(subscription, letters)).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        self.ask(Asked::Parked, self.log().parked(subscription, after, max)).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        self.ask(Asked::ParkedCount, self.log().parked_count(subscription)).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        self.ask(Asked::Unpark, self.log().unpark(subscription, ids)).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.log().close().await
    }
}
