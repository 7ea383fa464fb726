use std::collections::HashMap;
use std::sync::Arc;

use crate::record::counts_by_topic;
use crate::retired::Retired;
use crate::{
    DEFAULT_TOPIC_LIMIT, DispatchMetrics, DispatchSample, DispatcherEvent, DispatcherMetrics,
    ExecutionSample, OTHER_TOPICS, TopicMetrics,
};

/// Number of a dispatcher in one [`Recorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DispatcherSlot(pub u32);

/// Number of a topic in one [`Recorder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicSlot(pub u32);

impl TopicSlot {
    /// The slot of every topic beyond the bound, the same in all recorders.
    pub const OTHER: Self = Self(0);
}

/// Takes samples by number, without hashing or allocating, and makes a [`DispatchMetrics`] of them on request.
///
/// - Dispatchers and topics are registered once, by name; samples refer to them by slot.
/// - The slot of a dispatcher that is gone is given to another. Its figures stay until they are cleared: under its id
///   for the last [`RETIRED_LIMIT`](crate::RETIRED_LIMIT) of them, added up as
///   [`RETIRED_DISPATCHERS`](crate::RETIRED_DISPATCHERS) for those that went before.
/// - A slot that this recorder did not give out is left out of the figures by dispatcher or topic; the totals
///   still count the sample.
/// - The rules are those of [`DispatchMetrics`]: fed the same facts, both show the same figures.
///
/// ```
/// use std::time::Duration;
/// use dispatch_core::{Category, DispatchStatus};
/// use dispatch_metrics::{DispatchSample, ExecutionOutcome, ExecutionSample, Recorder};
///
/// let mut recorder = Recorder::new("shop");
/// let mailer = recorder.register_dispatcher("mailer");
/// let topic = recorder.register_topic("shop.order.events");
///
/// recorder.record_execution(mailer, ExecutionSample {
///     outcome: ExecutionOutcome::Success,
///     duration: Duration::from_micros(80),
///     topic: Some(topic),
/// });
/// recorder.record_dispatch(DispatchSample {
///     status: DispatchStatus::Success,
///     category: Some(Category::Event),
///     category_mismatch: false,
///     topic: Some(topic),
///     routes_matched: 1,
///     duration: Duration::from_micros(90),
/// });
///
/// let snapshot = recorder.snapshot();
/// assert_eq!(snapshot.successful_dispatches, 1);
/// assert_eq!(snapshot.dispatcher("mailer").map(|mailer| mailer.execution_count), Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Recorder {
    /// Everything that is not by dispatcher or topic; its maps stay empty.
    totals: DispatchMetrics,
    dispatchers: Vec<DispatcherEntry>,
    dispatcher_slots: HashMap<Arc<str>, DispatcherSlot>,
    /// Slots that no dispatcher has.
    free: Vec<DispatcherSlot>,
    retired: Retired,
    /// The first is [`TopicSlot::OTHER`].
    topics: Vec<TopicEntry>,
    topic_slots: HashMap<Arc<str>, TopicSlot>,
}

#[derive(Debug, Clone)]
struct DispatcherEntry {
    id: Arc<str>,
    /// Without the last topic, which is kept as a slot until somebody asks; one that came back still has its name.
    metrics: DispatcherMetrics,
    last_topic: Option<TopicSlot>,
}

#[derive(Debug, Clone)]
struct TopicEntry {
    name: Arc<str>,
    metrics: TopicMetrics,
}

impl Recorder {
    /// An empty recorder of the engine of that name, with [`DEFAULT_TOPIC_LIMIT`].
    #[must_use]
    pub fn new(engine: impl Into<Arc<str>>) -> Self {
        Self::with_topic_limit(engine, DEFAULT_TOPIC_LIMIT)
    }

    /// An empty recorder that tells that many topics apart.
    #[must_use]
    pub fn with_topic_limit(engine: impl Into<Arc<str>>, limit: usize) -> Self {
        let other: Arc<str> = Arc::from(OTHER_TOPICS);
        Self {
            totals: DispatchMetrics::new(engine).with_topic_limit(limit),
            dispatchers: Vec::new(),
            dispatcher_slots: HashMap::new(),
            free: Vec::new(),
            retired: Retired::default(),
            topics: vec![TopicEntry { name: Arc::clone(&other), metrics: TopicMetrics::default() }],
            topic_slots: HashMap::from([(other, TopicSlot::OTHER)]),
        }
    }

    /// The slot of a dispatcher; the same id has the same slot until it is [retired](Self::retire_dispatcher). At
    /// most `u32::MAX` at a time. One that comes back goes on with its figures.
    pub fn register_dispatcher(&mut self, id: &str) -> DispatcherSlot {
        if let Some(slot) = self.dispatcher_slots.get(id) {
            return *slot;
        }
        let metrics = self.retired.take(id).unwrap_or_default();
        let id: Arc<str> = Arc::from(id);
        let entry = DispatcherEntry { id: Arc::clone(&id), metrics, last_topic: None };
        let free = self.free.pop();
        let slot = match free.and_then(|slot| Some((slot, self.dispatchers.get_mut(slot.0 as usize)?))) {
            Some((slot, place)) => {
                *place = entry;
                slot
            }
            None => {
                self.dispatchers.push(entry);
                DispatcherSlot(self.dispatchers.len() as u32 - 1)
            }
        };
        self.dispatcher_slots.insert(id, slot);
        slot
    }

    /// A dispatcher is gone: its figures stay, its slot will be another's. Samples with this slot must not come
    /// any more.
    pub fn retire_dispatcher(&mut self, slot: DispatcherSlot) {
        let Some(entry) = self.dispatchers.get(slot.0 as usize) else { return };
        if self.dispatcher_slots.get(&entry.id) != Some(&slot) {
            return;
        }
        let id = Arc::clone(&entry.id);
        self.dispatcher_slots.remove(&id);
        self.retired.keep(id, self.resolve(entry));
        self.free.push(slot);
    }

    /// The slot of a topic: its own if it is among the first `limit` that were registered, else
    /// [`TopicSlot::OTHER`].
    ///
    /// Register a topic when it first finds a dispatcher, not before: dispatches without one are not counted by
    /// topic, so a slot would be wasted on it.
    pub fn register_topic(&mut self, topic: impl AsRef<str>) -> TopicSlot {
        let topic = topic.as_ref();
        if let Some(slot) = self.topic_slots.get(topic) {
            return *slot;
        }
        if self.topics.len() > self.totals.topic_limit {
            return TopicSlot::OTHER;
        }
        let slot = TopicSlot(self.topics.len() as u32);
        let name: Arc<str> = Arc::from(topic);
        self.topics.push(TopicEntry { name: Arc::clone(&name), metrics: TopicMetrics::default() });
        self.topic_slots.insert(name, slot);
        slot
    }

    /// Counts one dispatch.
    #[inline]
    pub fn record_dispatch(&mut self, sample: DispatchSample) {
        self.totals.count_dispatch(&sample);
        if let Some(TopicSlot(topic)) = sample.topic
            && counts_by_topic(sample.status)
            && let Some(entry) = self.topics.get_mut(topic as usize)
        {
            entry.metrics.count_dispatch(sample.status, sample.duration);
        }
    }

    /// Counts one outcome of one dispatcher.
    #[inline]
    pub fn record_execution(&mut self, dispatcher: DispatcherSlot, sample: ExecutionSample) {
        self.totals.count_execution(sample.outcome);
        if let Some(entry) = self.dispatchers.get_mut(dispatcher.0 as usize) {
            entry.metrics.count_execution(sample.outcome, sample.duration);
            entry.last_topic = sample.topic.or(entry.last_topic);
        }
    }

    /// Keeps the text of a dispatcher's last error, which must be **already sanitised**.
    pub fn record_error_text(&mut self, dispatcher: DispatcherSlot, sanitised: &str) {
        if let Some(entry) = self.dispatchers.get_mut(dispatcher.0 as usize) {
            entry.metrics.last_error_message = Some(Arc::from(sanitised));
        }
    }

    /// Counts something that befell a dispatcher and is no outcome.
    pub fn record_event(&mut self, dispatcher: DispatcherSlot, event: DispatcherEvent) {
        self.totals.count_event(event);
        if let Some(entry) = self.dispatchers.get_mut(dispatcher.0 as usize) {
            entry.metrics.count_event(event);
        }
    }

    /// Counts an envelope that an interceptor rejected.
    pub const fn record_rejected(&mut self) {
        self.totals.record_rejected();
    }

    /// Counts outputs that were only returned, because their topic has no category.
    pub const fn record_unpublishable(&mut self, outputs: u64) {
        self.totals.record_unpublishable(outputs);
    }

    /// Sets how many envelopes a dispatcher is working on.
    pub fn set_in_flight(&mut self, dispatcher: DispatcherSlot, envelopes: u64) {
        if let Some(entry) = self.dispatchers.get_mut(dispatcher.0 as usize) {
            entry.metrics.in_flight = envelopes;
        }
    }

    /// The figures of one dispatcher, or `None` if its id was never registered, or it is gone and has none.
    #[must_use]
    pub fn dispatcher(&self, id: &str) -> Option<DispatcherMetrics> {
        match self.dispatcher_slots.get(id) {
            Some(DispatcherSlot(slot)) => {
                self.dispatchers.get(*slot as usize).map(|entry| self.resolve(entry))
            }
            None => self.retired.get(id).cloned(),
        }
    }

    /// Everything recorded since the start or the last [`clear`](Self::clear): every registered dispatcher, every
    /// retired one that was used, and every topic that was used.
    #[must_use]
    pub fn snapshot(&self) -> DispatchMetrics {
        let mut snapshot = self.totals.clone();
        let slots = self.dispatcher_slots.values();
        let live = slots.filter_map(|DispatcherSlot(slot)| self.dispatchers.get(*slot as usize));
        let live = live.map(|entry| (Arc::clone(&entry.id), self.resolve(entry)));
        snapshot.dispatcher_metrics = live.chain(self.retired.iter()).collect();
        snapshot.topic_metrics = self
            .topics
            .iter()
            .filter(|entry| entry.metrics.dispatches > 0)
            .map(|entry| (Arc::clone(&entry.name), entry.metrics))
            .collect();
        snapshot
    }

    /// Starts again from nothing; all slots, and what is in flight, stay. Retired dispatchers are forgotten.
    pub fn clear(&mut self) {
        self.totals.clear();
        self.retired.clear();
        for entry in &mut self.dispatchers {
            entry.metrics.clear();
            entry.last_topic = None;
        }
        for entry in &mut self.topics {
            entry.metrics = TopicMetrics::default();
        }
    }

    /// The figures of a dispatcher with its last topic by name.
    fn resolve(&self, entry: &DispatcherEntry) -> DispatcherMetrics {
        let topic = entry.last_topic.and_then(|TopicSlot(slot)| self.topics.get(slot as usize));
        DispatcherMetrics {
            last_execution_topic: topic
                .map(|topic| Arc::clone(&topic.name))
                .or_else(|| entry.metrics.last_execution_topic.clone()),
            ..entry.metrics.clone()
        }
    }
}
