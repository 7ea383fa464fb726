//! The log as its contract has it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::Topic;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_core::uuid::Uuid;
use serde_json::json;

use super::session::{Outgoing, Which};
use super::{JetStreamLog, reader};

#[async_trait]
impl TopicLog for JetStreamLog {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Server
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn deduplicates(&self) -> bool {
        self.options.deduplicate.is_some()
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        let session = self.session().await?;
        let limit = self.options.max_entry_bytes.min(session.max_payload());
        let subject = self.names.topic_subject(topic);
        let message = |entry: LogEntry| {
            let id = self.options.deduplicate.map(|_| entry.envelope.id());
            Ok(Outgoing { subject: subject.clone(), body: reader::encode(topic, entry, limit)?, id })
        };
        let messages = entries.into_iter().map(message).collect::<Result<Vec<_>, LogError>>()?;
        let before = self.heads.tails.head(topic);
        let config = self.of_topic(topic);
        let stream = config.name.clone();
        self.ensure(&session, config).await?;
        let numbers = match session.store(&stream, messages).await {
            Ok(numbers) => numbers,
            Err(error) => {
                // It may be gone; the next append looks.
                self.streams().remove(&stream);
                return Err(error);
            }
        };
        let (first, last) = (numbers.iter().min(), numbers.iter().max());
        if let Some((first, last)) =
            first.zip(last).map(|(first, last)| (Offset::new(*first), Offset::new(*last)))
        {
            if first <= before && !self.deduplicates() {
                self.fell(topic, before, last);
            }
            self.heads.tails.advance(topic, last);
        }
        Ok(numbers.into_iter().map(|number| Offset::new(number.saturating_sub(1))).collect())
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let session = self.session().await?;
        self.readers.read(&session, &self.names.topic_stream(topic), topic, from, limit).await
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        let found = self.look(topic).await?;
        Ok(found.map_or_else(LogBounds::default, |(_, _, state)| reader::bounds(&state)))
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let session = self.session().await?;
        let mut topics = Vec::new();
        for stream in session.streams(&self.names.topic_subjects()).await? {
            match stream.config.description.parse::<Topic>() {
                // A stream of somebody else may take the same subjects.
                Ok(topic) if self.names.topic_stream(&topic) == stream.config.name => topics.push(topic),
                _ => {}
            }
        }
        topics.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        topics.dedup();
        Ok(topics)
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.heads.know(topic);
        let before = self.heads.tails.head(topic);
        let bounds = self.bounds(topic).await?;
        if bounds.head < before {
            self.fell(topic, before, bounds.head);
        }
        self.heads.tails.advance(topic, bounds.head);
        let closed = || self.closed.load(Ordering::Acquire);
        self.heads.tails.wait(topic, seen, closed).await.ok_or(LogError::Closed)
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        let Some((session, stream, state)) = self.look(topic).await? else { return Ok(Offset::ZERO) };
        // The server's times never fall, so they can be searched.
        let bounds = reader::bounds(&state);
        let (mut low, mut high) = (bounds.oldest.get(), bounds.head.get());
        while low < high {
            let middle = low.midpoint(high);
            let message = session.message(&stream, Which::Number(middle + 1)).await?;
            // One that was trimmed meanwhile is older than all that are kept.
            match message {
                Some(message) if SystemTime::from(message.time) >= time => high = middle,
                _ => low = middle + 1,
            }
        }
        Ok(Offset::new(low))
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        let found = self.look(topic).await?;
        Ok(found.map_or_else(TopicUsage::default, |(_, _, state)| TopicUsage {
            records: reader::bounds(&state).len(),
            bytes: state.bytes,
        }))
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        let Some((_, _, state)) = self.look(topic).await? else { return Ok(Offset::ZERO) };
        let bounds = reader::bounds(&state);
        let each = state.bytes.div_ceil(state.messages.max(1)).max(1);
        let fit = (bytes / each).min(bounds.len());
        Ok(Offset::new(bounds.head.get().saturating_sub(fit)))
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        let Some((session, stream, state)) = self.look(topic).await? else {
            return Ok(LogBounds::default());
        };
        let bounds = reader::bounds(&state);
        let below = below.min(bounds.head);
        if below <= bounds.oldest {
            return Ok(bounds);
        }
        // The number itself stays.
        session.purge(&stream, &json!({ "seq": below.get() + 1 })).await?;
        self.bounds(topic).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.save(subscription).await
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.save_cursors(subscription, &cursors).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.load(subscription).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.subscriptions().await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.remove(subscription).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.floor(topic).await
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.park(subscription, &letters).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.parked(subscription, after, max).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.parked_count(subscription).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.unpark(subscription, ids).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.closed.store(true, Ordering::Release);
        self.heads.tails.wake_all();
        self.readers.clear();
        self.link.forget();
        Ok(())
    }
}
