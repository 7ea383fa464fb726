//! A log that is right, unless it is told to be wrong in one way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::Topic;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::envelope::Headers;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, MemoryLog, Offset, OffsetRanges, ReadLimit,
    StoredSubscription, SyncPolicy, TopicLog, TopicUsage,
};
use uuid::Uuid;

macro_rules! faults {
    ($($fault:ident: $check:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault { $($fault),* }

        impl Fault {
            /// Every fault, and the check that has to find it.
            pub(crate) const ALL: &[(Self, &str)] = &[$((Self::$fault, $check)),*];
        }
    };
}

faults! {
    CountsFromOne: "offsets of a topic are 0, 1, 2 and so on",
    OneTopicForAll: "topics are apart",
    Reverses: "records come back in the order of their appends",
    ListsUnsorted: "topics are listed in order",
    SameOffsetForAll: "appends side by side get an offset each",
    StaysBusy: "it works on after a dropped append",
    RepeatsValues: "an envelope that cannot be written is refused by name",
    StoresHalf: "a batch is stored whole or not at all",
    TakesAnySize: "an envelope that is too large is refused by name",
    LosesHeaders: "an envelope comes back whole",
    RoundsTimes: "what travels with an envelope comes back whole",
    IgnoresRecords: "a read keeps its limit of records",
    IgnoresBytes: "a read keeps its limit of bytes, and has one record at least",
    WrapsAround: "a read past the end finds nothing",
    ReadsCreate: "an unknown topic is empty",
    NoTimes: "records are found by the time of their append",
    NothingForTheLate: "a trim removes what is below it, and a late reader begins at the oldest",
    Restarts: "offsets go on after everything was trimmed",
    TrimsTheFuture: "a trim goes neither back nor past the head",
    CountsAll: "usage counts what is kept",
    KeepsOneMore: "the newest records that fit into so many bytes are found",
    NoFloor: "retention keeps what a cursor has not passed, unless it is forced",
    TellsOne: "an append that came first is seen at once",
    WakesEarly: "an append wakes whoever waits for it",
    LosesDefinitions: "a subscription is stored and loaded",
    ReplacesAll: "cursors of other topics stay when some are saved",
    OnlyForward: "a cursor is replaced, and goes where it is told",
    LosesSettled: "what is settled above a cursor is kept",
    MakesGhosts: "cursors of a subscription that is not there leave nothing",
    HighestFloor: "the floor is the lowest cursor of a topic",
    KeepsRemoved: "a removed subscription is gone",
    SamePage: "what is parked is listed in order, page by page",
    FirstWins: "a parked message replaces the one with its id",
    CountsAsked: "what is unparked is gone, and counted",
    KeepsParked: "a removed subscription has parked nothing",
    Blank: "its name is not blank and does not change",
    NeverCloses: "a closed log refuses everything",
    ForgetsAll: "everything is there when it is opened again",
}

pub(crate) struct Flawed {
    store: Arc<MemoryLog>,
    fault: Option<Fault>,
    closed: AtomicBool,
    busy: AtomicBool,
    counted: AtomicU64,
}

impl Flawed {
    /// The largest payload that it takes.
    pub(crate) const LIMIT: usize = 100_000;

    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self::on(Arc::new(MemoryLog::new()), fault)
    }

    pub(crate) fn on(store: Arc<MemoryLog>, fault: Option<Fault>) -> Self {
        Self {
            store,
            fault,
            closed: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            counted: AtomicU64::new(0),
        }
    }

    pub(crate) fn store(&self) -> Arc<MemoryLog> {
        Arc::clone(&self.store)
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn open(&self) -> Result<&MemoryLog, LogError> {
        if self.closed.load(Ordering::SeqCst) { Err(LogError::Closed) } else { Ok(&self.store) }
    }

    fn topic(&self, topic: &Topic) -> Topic {
        if self.has(Fault::OneTopicForAll) { "one.for.all".parse().unwrap() } else { topic.clone() }
    }

    fn entry(&self, entry: &LogEntry) -> Result<LogEntry, LogError> {
        let (bytes, _) = match entry.envelope.raw_payload().to_bytes() {
            Ok(written) => written,
            Err(error) if self.has(Fault::RepeatsValues) => {
                return Err(LogError::NotStorable { what: error.to_string() });
            }
            Err(_) => return Err(LogError::NotStorable { what: "it cannot be written".into() }),
        };
        if bytes.len() > Self::LIMIT && !self.has(Fault::TakesAnySize) {
            return Err(LogError::TooLarge { bytes: bytes.len(), limit: Self::LIMIT });
        }
        let mut written = entry.clone();
        if self.has(Fault::LosesHeaders) {
            written.envelope = written.envelope.with_headers(Headers::default());
        }
        if self.has(Fault::RoundsTimes) {
            let round = |time: SystemTime| {
                let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(since.as_millis() as u64)
            };
            written.available_at = written.available_at.map(round);
            written.expires_at = written.expires_at.map(round);
        }
        Ok(written)
    }
}

/// Waits for one poll.
async fn later() {
    let mut polled = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut polled, true) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    })
    .await;
}

#[async_trait]
impl TopicLog for Flawed {
    fn name(&self) -> &str {
        if self.has(Fault::Blank) { " " } else { "flawed" }
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Memory
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        let (log, topic) = (self.open()?, self.topic(topic));
        if self.has(Fault::StaysBusy) {
            if self.busy.swap(true, Ordering::SeqCst) {
                return Err(LogError::Unavailable { what: "busy".into(), retry_in: None, source: None });
            }
            later().await;
            self.busy.store(false, Ordering::SeqCst);
        }
        let mut written = Vec::new();
        for entry in &entries {
            match self.entry(entry) {
                Ok(entry) => written.push(entry),
                Err(error) => {
                    if self.has(Fault::StoresHalf) {
                        log.append(&topic, written).await?;
                    }
                    return Err(error);
                }
            }
        }
        let oldest = log.bounds(&topic).await?.oldest.get();
        let mut offsets = log.append(&topic, written).await?;
        for offset in &mut offsets {
            match self.fault {
                Some(Fault::CountsFromOne) => *offset = offset.next(),
                Some(Fault::SameOffsetForAll) => *offset = Offset::ZERO,
                Some(Fault::Restarts) => *offset = Offset::new(offset.get() - oldest),
                _ => {}
            }
        }
        Ok(offsets)
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let (log, topic) = (self.open()?, self.topic(topic));
        let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        let (limit, from) = match self.fault {
            Some(Fault::IgnoresRecords) => (ReadLimit { records: usize::MAX, ..limit }, from),
            Some(Fault::IgnoresBytes) => (ReadLimit { bytes: usize::MAX, ..limit }, from),
            Some(Fault::WrapsAround) if from >= log.bounds(&topic).await?.head => (all, Offset::ZERO),
            Some(Fault::ReadsCreate) => {
                log.append(&topic, Vec::new()).await?;
                (limit, from)
            }
            _ => (limit, from),
        };
        let mut read = log.read(&topic, from, limit).await?;
        if self.has(Fault::Reverses) {
            read.records.reverse();
        }
        if self.has(Fault::NothingForTheLate) && from < read.bounds.oldest {
            read.records.clear();
        }
        Ok(read)
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        self.open()?.bounds(&self.topic(topic)).await
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let mut topics = self.open()?.topics().await?;
        if self.has(Fault::ListsUnsorted) {
            topics.reverse();
        }
        Ok(topics)
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        let (log, topic) = (self.open()?, self.topic(topic));
        match self.fault {
            Some(Fault::TellsOne) => Ok(seen.next()),
            Some(Fault::WakesEarly) => Ok(log.bounds(&topic).await?.head),
            _ => log.tail(&topic, seen).await,
        }
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        let log = self.open()?;
        if self.has(Fault::NoTimes) {
            return Ok(log.bounds(topic).await?.head);
        }
        log.offset_at(topic, time).await
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        let mut usage = self.open()?.usage(&self.topic(topic)).await?;
        if self.has(Fault::CountsAll) {
            usage.records = self.counted.fetch_max(usage.records, Ordering::SeqCst).max(usage.records);
        }
        Ok(usage)
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        let at = self.open()?.offset_keeping(topic, bytes).await?;
        Ok(if self.has(Fault::KeepsOneMore) { Offset::new(at.get().saturating_sub(1)) } else { at })
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        let mut bounds = self.open()?.trim(&self.topic(topic), below).await?;
        if self.has(Fault::TrimsTheFuture) {
            bounds.head = bounds.head.max(below);
        }
        Ok(bounds)
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let log = self.open()?;
        let mut stored = subscription.clone();
        if self.has(Fault::LosesDefinitions) {
            stored.definition = serde_json::Value::Null;
        }
        if self.has(Fault::LosesSettled) {
            stored.cursors.iter_mut().for_each(|cursor| cursor.settled = OffsetRanges::default());
        }
        if self.has(Fault::ReplacesAll) {
            log.remove(&stored.name).await?;
        }
        log.save(&stored).await
    }

    async fn save_cursors(&self, subscription: &str, mut cursors: Vec<Cursor>) -> Result<(), LogError> {
        let log = self.open()?;
        let stored = log.load(subscription).await?;
        if self.has(Fault::MakesGhosts) && stored.is_none() {
            let name = subscription.to_owned();
            return log
                .save(&StoredSubscription { name, definition: serde_json::Value::Null, cursors })
                .await;
        }
        if self.has(Fault::OnlyForward) {
            let known = stored.map(|stored| stored.cursors).unwrap_or_default();
            cursors.retain(|new| known.iter().all(|old| old.topic != new.topic || old.next < new.next));
        }
        log.save_cursors(subscription, cursors).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        self.open()?.load(subscription).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        self.open()?.subscriptions().await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        let log = self.open()?;
        if self.has(Fault::KeepsRemoved) {
            return Ok(());
        }
        let parked = log.parked(subscription, None, usize::MAX).await?;
        log.remove(subscription).await?;
        if self.has(Fault::KeepsParked) { log.park(subscription, parked).await } else { Ok(()) }
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        let log = self.open()?;
        match self.fault {
            Some(Fault::NoFloor) => Ok(None),
            Some(Fault::HighestFloor) => {
                let mut highest = None;
                for name in log.subscriptions().await? {
                    let cursors = log.load(&name).await?.map(|stored| stored.cursors).unwrap_or_default();
                    let here = cursors.into_iter().filter(|cursor| cursor.topic == *topic);
                    highest = highest.max(here.map(|cursor| cursor.next).max());
                }
                Ok(highest)
            }
            _ => log.floor(topic).await,
        }
    }

    async fn park(&self, subscription: &str, mut letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        let log = self.open()?;
        if self.has(Fault::FirstWins) {
            let known = log.parked(subscription, None, usize::MAX).await?;
            letters.retain(|letter| known.iter().all(|known| known.id != letter.id));
        }
        log.park(subscription, letters).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        let after = after.filter(|_| !self.has(Fault::SamePage));
        self.open()?.parked(subscription, after, max).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        self.open()?.parked_count(subscription).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let gone = self.open()?.unpark(subscription, ids).await?;
        Ok(if self.has(Fault::CountsAsked) { ids.len() as u64 } else { gone })
    }

    async fn close(&self) -> Result<(), LogError> {
        self.closed.store(!self.has(Fault::NeverCloses), Ordering::SeqCst);
        Ok(())
    }
}
