//! A log in the memory of this process.
//!
//! - It keeps every promise of the contract but one: nothing survives the process.
//! - It is bounded: a topic over its limit refuses to be appended to, and says so.
//! - One lock guards it, held for as long as a batch takes to be copied in or out; envelopes are shared, not copied.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, LogRecord, Offset, ReadLimit, StoredSubscription,
    SyncPolicy, Tails, TopicLog, TopicUsage,
};
use crate::delivery::DeadLetter;
use crate::envelope::Payload;
use crate::time::{Clock, SystemClock};
use crate::topic::Topic;

/// A [`TopicLog`] that is lost with the process: for tests, and for topics that may be.
///
/// ```
/// use dispatch_core::log::{MemoryLog, Offset, ReadLimit, TopicLog};
/// use dispatch_core::{Envelope, Topic};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let log = MemoryLog::new();
/// let topic: Topic = "shop.order.events".parse()?;
/// log.append(&topic, vec![Envelope::empty("OrderPlaced").into()]).await?;
/// let read = log.read(&topic, Offset::ZERO, ReadLimit::records(10)).await?;
/// assert_eq!(read.records.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct MemoryLog {
    clock: Arc<dyn Clock>,
    max_records: usize,
    state: Mutex<State>,
    tails: Tails,
}

#[derive(Default)]
struct State {
    closed: bool,
    topics: HashMap<Topic, Records>,
    subscriptions: BTreeMap<Box<str>, Stored>,
    parked: BTreeMap<String, BTreeMap<Uuid, Arc<DeadLetter>>>,
}

/// What is kept of a subscription. Its definition is text, which is a tenth of what the tree of its values takes.
struct Stored {
    definition: Box<str>,
    cursors: Vec<Cursor>,
}

/// The records of a topic; the offset of the first is `oldest`.
#[derive(Default)]
struct Records {
    oldest: u64,
    kept: VecDeque<LogRecord>,
}

impl Records {
    fn bounds(&self) -> LogBounds {
        let oldest = Offset::new(self.oldest);
        LogBounds { oldest, head: oldest.plus(self.kept.len() as u64) }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// Most records of a topic, unless another limit is set.
    pub const MAX_RECORDS: usize = 10_000_000;

    /// An empty log with the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            max_records: Self::MAX_RECORDS,
            state: Mutex::default(),
            tails: Tails::default(),
        }
    }

    /// Takes the time of appends from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the most records that a topic may hold.
    #[must_use]
    pub const fn with_max_records(mut self, max_records: usize) -> Self {
        self.max_records = max_records;
        self
    }

    /// The state, unless the log was closed.
    fn open(&self) -> Result<MutexGuard<'_, State>, LogError> {
        let state = self.state();
        if state.closed { Err(LogError::Closed) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when a holder panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TopicLog for MemoryLog {
    fn name(&self) -> &str {
        "memory"
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Memory
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        let now = self.clock.now();
        let mut state = self.open()?;
        let records = state.topics.entry(topic.clone()).or_default();
        if records.kept.len().saturating_add(entries.len()) > self.max_records {
            let what =
                format!("topic '{topic}' holds {} of {} records", records.kept.len(), self.max_records);
            return Err(LogError::Full { what });
        }
        let first = records.bounds().head;
        let offsets: Vec<_> = first.range(entries.len() as u64).collect();
        for (entry, offset) in entries.into_iter().zip(&offsets) {
            let LogEntry { envelope, available_at, expires_at } = entry;
            let envelope =
                if envelope.topic() == Some(topic) { envelope } else { envelope.with_topic(topic) };
            let entry = LogEntry { envelope, available_at, expires_at };
            records.kept.push_back(LogRecord::new(*offset, now, entry));
        }
        let head = records.bounds().head;
        drop(state);
        self.tails.advance(topic, head);
        Ok(offsets)
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let state = self.open()?;
        let Some(records) = state.topics.get(topic) else { return Ok(LogRead::default()) };
        let skipped = usize::try_from(from.get().saturating_sub(records.oldest)).unwrap_or(usize::MAX);
        let mut bytes = 0usize;
        let mut found = Vec::new();
        for record in records.kept.range(skipped.min(records.kept.len())..).take(limit.records.max(1)) {
            bytes = bytes.saturating_add(light_weight(&record.entry));
            if bytes > limit.bytes && !found.is_empty() {
                break;
            }
            found.push(record.clone());
        }
        Ok(LogRead { records: found, bounds: records.bounds() })
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        Ok(self.open()?.topics.get(topic).map(Records::bounds).unwrap_or_default())
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let mut topics: Vec<_> = self.open()?.topics.keys().cloned().collect();
        topics.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(topics)
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.tails.wait(topic, seen, || self.state().closed).await.ok_or(LogError::Closed)
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        let state = self.open()?;
        let Some(records) = state.topics.get(topic) else { return Ok(Offset::ZERO) };
        // Not a binary search: the clock may have been set back between two appends.
        let found = records.kept.iter().find(|record| record.appended_at >= time);
        Ok(found.map_or(records.bounds().head, |record| record.offset))
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        let state = self.open()?;
        let kept = state.topics.get(topic).map(|records| &records.kept);
        let bytes = kept.into_iter().flatten().map(|record| weight(&record.entry)).sum();
        Ok(TopicUsage { records: kept.map_or(0, |kept| kept.len() as u64), bytes })
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        let state = self.open()?;
        let Some(records) = state.topics.get(topic) else { return Ok(Offset::ZERO) };
        let mut left = bytes;
        let heavy = records.kept.iter().rev().find(|record| {
            let size = weight(&record.entry);
            let fits = size <= left;
            left = left.saturating_sub(size);
            !fits
        });
        Ok(heavy.map_or(records.bounds().oldest, |record| record.offset.next()))
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        let mut state = self.open()?;
        let Some(records) = state.topics.get_mut(topic) else { return Ok(LogBounds::default()) };
        let goes = below.min(records.bounds().head).get().saturating_sub(records.oldest);
        let removed = records.kept.drain(..usize::try_from(goes).unwrap_or(usize::MAX)).count();
        records.oldest += removed as u64;
        Ok(records.bounds())
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let definition = subscription.definition.to_string().into_boxed_str();
        let mut state = self.open()?;
        match state.subscriptions.get_mut(&*subscription.name) {
            Some(stored) => {
                stored.definition = definition;
                merge(&mut stored.cursors, subscription.cursors.clone());
            }
            None => {
                let stored = Stored { definition, cursors: subscription.cursors.clone() };
                state.subscriptions.insert(subscription.name.as_str().into(), stored);
            }
        }
        Ok(())
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        if let Some(stored) = self.open()?.subscriptions.get_mut(subscription) {
            merge(&mut stored.cursors, cursors);
        }
        Ok(())
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        let state = self.open()?;
        let Some(stored) = state.subscriptions.get(subscription) else { return Ok(None) };
        let definition = serde_json::from_str(&stored.definition)
            .map_err(|error| LogError::failed("a definition cannot be read", error))?;
        Ok(Some(StoredSubscription {
            name: subscription.to_owned(),
            definition,
            cursors: stored.cursors.clone(),
        }))
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        Ok(self.open()?.subscriptions.keys().map(|name| (**name).to_owned()).collect())
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        let mut state = self.open()?;
        state.subscriptions.remove(subscription);
        state.parked.remove(subscription);
        Ok(())
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        let state = self.open()?;
        let cursors = state.subscriptions.values().flat_map(|stored| &stored.cursors);
        Ok(cursors.filter(|cursor| cursor.topic == *topic).map(|cursor| cursor.next).min())
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        let mut state = self.open()?;
        let parked = state.parked.entry(subscription.to_owned()).or_default();
        parked.extend(letters.into_iter().map(|letter| (letter.id, letter)));
        Ok(())
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let state = self.open()?;
        let Some(parked) = state.parked.get(subscription) else { return Ok(Vec::new()) };
        let range = parked.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(range.take(max).map(|(_, letter)| Arc::clone(letter)).collect())
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        Ok(self.open()?.parked.get(subscription).map_or(0, |parked| parked.len() as u64))
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let mut state = self.open()?;
        let Some(parked) = state.parked.get_mut(subscription) else { return Ok(0) };
        Ok(ids.iter().filter(|id| parked.remove(id).is_some()).count() as u64)
    }

    async fn close(&self) -> Result<(), LogError> {
        self.state().closed = true;
        self.tails.wake_all();
        Ok(())
    }
}

/// Replaces the cursors of the same topics, and keeps the others.
fn merge(stored: &mut Vec<Cursor>, cursors: Vec<Cursor>) {
    for cursor in cursors {
        match stored.iter_mut().find(|stored| stored.topic == cursor.topic) {
            Some(stored) => *stored = cursor,
            None => stored.push(cursor),
        }
    }
}

/// The size of a payload, as far as it is known without writing it.
fn light_weight(entry: &LogEntry) -> usize {
    match entry.envelope.raw_payload() {
        Payload::Bytes { data, .. } => data.len(),
        _ => 0,
    }
}

/// The size of a payload; one that cannot be written has none.
fn weight(entry: &LogEntry) -> u64 {
    entry.envelope.raw_payload().to_bytes().map_or(0, |(bytes, _)| bytes.len() as u64)
}
