//! The state of an at-least-once subscription.
//!
//! What happens comes in as an [`Event`] with the time; what is to be done comes out as [`Effect`]s. Nothing else goes
//! in or out, so every schedule can be replayed.
//!
//! ```text
//!                due ┌─────────┐                        ┌────────┐ no answer, nack, time-out
//!   fetched ────────►│ delayed │                   ┌───►│backoff │◄──────────┐
//!      │             └────┬────┘                   │    └───┬────┘           │
//!      │ ┌─────────┐ its turn in the key     retries left   │ due            │
//!      ├►│ waiting ├──────┤                        │    ┌───▼────┐      ┌────┴─────┐ ack
//!      │ └─────────┘      ▼                        │    │ ready  ├─────►│in flight ├──────► settled
//!      │              ┌───────┐  a place in the window  └────────┘      └────┬─────┘           ▲
//!      └─────────────►│ fresh ├──────────────────────────────────────────────┘                 │
//!                     └───────┘            no retries left ──► blocking, or keeping ─ is kept ─┘
//! ```
//!
//! Invariants:
//! - A message is in one phase; every one that was read and is not settled has an entry.
//! - `held` is the number of entries whose phase holds a place in the window; it exceeds the window only after the
//!   window was made smaller, or where one of a key that held up its key is parked.
//! - Of a key at most one entry is past `waiting`; the others wait in the order in which they came.
//! - What comes again comes before what is new.
//! - With keys, a consumer that takes nothing has a bounded part of what is ready before it; what more comes for it is
//!   queued aside, so that the others find theirs.
//! - A cursor passes an offset only when its message is settled; settled means acknowledged, skipped and counted, or
//!   kept somewhere by then.
//! - A token counts once, and only while its delivery is the last of its message.
//! - A delivery is timed out by a tick, and by nothing else: answers that wait when the thread was away for long are told
//!   before it.
//! - Few records are read again at a time, and after a failure one, once in a while, until one comes.
//! - What can never be kept has its place in the window, or holds up its key, until somebody decides.
//! - A consumer that leaves too many deliveries unanswered gets nothing more until it answers one: what it has is bounded.

mod asides;
mod consumers;
mod entries;
mod fall;
mod flow;
mod intake;
mod keys;
mod lane;
mod loads;
mod save;
mod settle;
mod timers;

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::consumers::Beside;
use self::entries::Entries;
use self::keys::Keys;
use self::lane::Lane;
use self::loads::Loads;
use self::save::Saving;
use self::timers::Timers;
use super::members::Members;
use super::pace::Pace;
use super::progress::Progress;
use super::status::Counters;
use super::{
    ConsumerId, Effect, Event, Exhausted, SubscriptionConfig, SubscriptionStatus, SubscriptionType,
    TopicSlot, TopicStatus,
};
use crate::log::Offset;
use crate::policy::RetryPolicy;

/// An at-least-once subscription. See the [module](super) for what goes in and out.
#[derive(Debug)]
pub struct SubscriptionState<R> {
    kind: SubscriptionType,
    window: u32,
    ack_timeout: Duration,
    retry: RetryPolicy,
    exhausted: Exhausted,
    max_aside: usize,
    /// Most records of messages that wait aside.
    max_records: usize,
    /// Most deliveries that a consumer may have left unanswered in time.
    max_overdue: usize,

    topics: Vec<Progress>,
    /// Topics that may have records to be read.
    hungry: VecDeque<TopicSlot>,
    /// Records that reads under way may bring.
    asked: usize,

    entries: Entries<R>,
    /// How many messages came so far.
    order: u64,
    /// How many deliveries and timers there were so far.
    stamp: u64,
    held: usize,
    fresh: usize,
    aside: usize,
    /// Records in memory of messages that are aside.
    aside_records: usize,
    /// Messages that everything waits for.
    blocking: usize,

    /// What any consumer may have.
    common: Lane,
    /// Messages with keys that no consumer takes, to be skipped before the step ends.
    outcasts: Vec<u32>,
    keys: Keys,
    members: Members<Beside>,

    paused: bool,
    pace: Pace,
    /// Until when the pace holds up what could be delivered.
    paced: Option<Duration>,
    timers: Timers,
    loads: Loads,
    saving: Saving,
    counters: Counters,
    rng: SmallRng,
}

impl<R: Clone> SubscriptionState<R> {
    /// A subscription without topics and consumers, at a time on a monotonic clock; the seed is for jitter.
    #[must_use]
    pub fn new(config: &SubscriptionConfig, seed: u64, now: Duration) -> Self {
        Self {
            kind: config.kind,
            window: config.window.max(1),
            ack_timeout: config.ack_timeout,
            retry: config.retry.clone(),
            exhausted: config.exhausted(),
            max_aside: config.max_aside,
            max_records: asides::RECORDS,
            max_overdue: config.capacity as usize,
            topics: Vec::new(),
            hungry: VecDeque::new(),
            asked: 0,
            entries: Entries::new(),
            order: 0,
            stamp: 0,
            held: 0,
            fresh: 0,
            aside: 0,
            aside_records: 0,
            blocking: 0,
            common: Lane::default(),
            outcasts: Vec::new(),
            keys: Keys::default(),
            members: Members::new(config.kind),
            paused: false,
            pace: Pace::of(config),
            paced: None,
            timers: Timers::default(),
            loads: Loads::default(),
            saving: Saving::new(config.cursor_interval, now),
            counters: Counters::default(),
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Sets for how many messages that wait aside the record is kept in memory; those of more are read again when they
    /// are needed.
    #[must_use]
    pub const fn keeping_records(mut self, most: usize) -> Self {
        self.max_records = most;
        self
    }

    /// What happened at a time on a monotonic clock; what is to be done is added to the effects.
    ///
    /// Only [`Event::Tick`] times deliveries out: whoever steps tells the answers that wait already before it.
    pub fn step(&mut self, event: Event<R>, now: Duration, effects: &mut Vec<Effect<R>>) {
        let is_tick = matches!(event, Event::Tick);
        match event {
            Event::TopicAdded { next, settled, head, stored } => self.add_topic(next, settled, head, stored),
            Event::HeadMoved { topic, head } => self.head_moved(topic, head),
            Event::EndFell { topic, end } => self.end_fell(topic, end),
            Event::Appended { topic, messages } => self.appended(topic, messages, now),
            Event::Fetched { request, messages, bounds } => {
                self.fetched(request, messages, bounds, now);
            }
            Event::FetchFailed { request, retry_in } => {
                self.fetch_failed(request, now.saturating_add(retry_in));
            }
            Event::Loaded { load, record } => self.loaded(load, record, effects),
            Event::LoadFailed { load, retry_in } => self.load_failed(load, now.saturating_add(retry_in)),
            Event::ConsumerAdded { consumer, keys } => self.add_consumer(consumer, keys.as_deref(), effects),
            Event::ConsumerGone { consumer } => self.consumer_gone(consumer),
            Event::ConsumerDown { consumer } => self.consumer_down(consumer),
            Event::ConsumerUp { consumer } => self.consumer_up(consumer),
            Event::ConsumerPaused { consumer, paused } => self.pause_consumer(consumer, paused),
            Event::Ack(token) => self.ack(token, effects),
            Event::AckUpTo(token) => self.ack_up_to(token, effects),
            Event::Nack { token, delay, reason, terminal } => {
                self.nack(token, delay, reason, terminal, now, effects);
            }
            Event::Suspected { token, reason } => self.suspected(token, reason, now, effects),
            Event::GaveUp(token) => self.not_overdue(&token),
            Event::Kept(keep) => self.kept(keep, effects),
            Event::NotKept { keep, retry_in } => self.not_kept(keep, now.saturating_add(retry_in)),
            Event::CannotKeep { keep, reason } => self.cannot_keep(keep, reason, effects),
            Event::Saved => self.saving.saved(),
            Event::NotSaved { retry_in } => self.not_saved(now.saturating_add(retry_in)),
            Event::Resolved { topic, offset, resolution } => self.resolve(topic, offset, resolution, effects),
            Event::Replayed { topic, message, parked } => self.replay(topic, message, parked, now),
            Event::Seek { topic, to } => self.seek(topic, to),
            Event::Paused(paused) => self.paused = paused,
            Event::Window(window) => self.window = window.max(1),
            Event::Flush => self.saving.flush(),
            Event::Tick => {}
        }
        if is_tick {
            self.time_out(now, effects);
        }
        self.timers_due(now, effects);
        self.skip_outcasts(effects);
        self.deliver(now, effects);
        while self.refill() {
            self.deliver(now, effects);
        }
        self.read_again(now, effects);
        self.ask(effects);
        self.save(now, effects);
    }

    /// When there is something to do, even if nothing happens until then; it may be over.
    #[must_use]
    pub fn next_deadline(&mut self) -> Option<Duration> {
        let timer = self.timers.soonest(&self.entries, self.held);
        let save = self.saving.due();
        [timer, save, self.paced, self.loads.due()].into_iter().flatten().min()
    }

    /// When a delivery is timed out if it is not answered until then; it may be over.
    #[must_use]
    pub fn next_time_out(&mut self) -> Option<Duration> {
        self.timers.soonest_answer(&self.entries, self.held)
    }

    /// Whether everything that was settled is saved.
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        self.saving.is_clean()
    }

    /// How many changes of cursors there were so far.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.saving.changes()
    }

    /// How many of the changes are saved: those that came first.
    #[must_use]
    pub const fn saved_changes(&self) -> u64 {
        self.saving.saved_changes()
    }

    /// Messages that consumers have, and have not answered for.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.members.iter().map(|member| member.beside.in_flight as usize).sum()
    }

    /// The consumer that is served, of a type that serves one.
    #[must_use]
    pub fn active(&self) -> Option<ConsumerId> {
        if self.kind.is_ordered() { self.members.active() } else { None }
    }

    /// The first offset of a topic that is not settled.
    #[must_use]
    pub fn cursor(&self, topic: TopicSlot) -> Option<Offset> {
        self.topics.get(topic.0 as usize).map(Progress::next)
    }

    /// The oldest message that a consumer has had and that is not settled.
    #[must_use]
    pub fn oldest_unacknowledged(&self) -> Option<&R> {
        let held = self.entries.iter().filter(|(_, entry)| entry.phase.holds(false));
        held.min_by_key(|(_, entry)| entry.order).and_then(|(_, entry)| entry.record.as_ref())
    }

    /// Messages that somebody has to decide about, as topic and offset.
    #[must_use]
    pub fn blocked(&self) -> Vec<(TopicSlot, Offset)> {
        let blocking = self.entries.iter().filter(|(_, entry)| entry.phase.is_stuck());
        let mut found: Vec<_> = blocking.map(|(_, entry)| (entry.topic, entry.offset)).collect();
        found.sort_unstable();
        found
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        let topics = self.topics.iter().map(|progress| TopicStatus {
            cursor: progress.next(),
            head: progress.head,
            lag: progress.lag(),
        });
        SubscriptionStatus {
            topics: topics.collect(),
            consumers: self.members.len(),
            in_flight: self.in_flight(),
            held: self.held,
            aside: self.aside,
            blocked: self.blocked().len(),
            window: self.window,
            paused: self.paused,
            counters: self.counters,
        }
    }

    fn keyed(&self) -> bool {
        self.kind == SubscriptionType::KeyShared
    }

    fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    fn progress(&mut self, topic: TopicSlot) -> Option<&mut Progress> {
        self.topics.get_mut(topic.0 as usize)
    }
}
