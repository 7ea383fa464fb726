use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::prelude::*;
use dispatch_core::log::{LogEntry, Offset, TopicLog};
use dispatch_core::policy::DedupWindow;
use dispatch_core::subscription::{Guarantee, Scope, SubscriptionConfig, TopicSlot};
use dispatch_core::{Adapter, Sanitizer, Topic, TopicPattern};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use uuid::Uuid;

use super::leave::{Deferred, Unsubscribed};
use super::live::Caught;
use super::open::Prepared;
use super::protocol::Unheld;
use super::publish::{Appended, Waiting};
use super::upkeep::{Beat, Tailed};
use super::{BusConfig, Drain, Drained, End, Find, Held, List};
use crate::bus::shared::{Shared, Spare};
use crate::bus::subscription::{Abandon, Subscription, SubscriptionActor};
use crate::bus::time::BusClock;

/// See the [module](super).
pub(in crate::bus) struct Hub {
    pub(super) config: BusConfig,
    pub(super) log: Arc<dyn TopicLog>,
    pub(super) clock: BusClock,
    pub(super) shared: Rc<Shared>,
    pub(super) transient: Vec<TopicPattern>,
    pub(super) seeds: SmallRng,
    pub(super) topics: HashMap<Topic, TopicState>,
    /// Topics with messages to be appended.
    pub(super) dirty: Vec<Topic>,
    pub(super) subscriptions: BTreeMap<Arc<str>, Opened>,
    /// The names of those that have a pattern: a topic that is new may belong to them. Whoever has one topic is there
    /// already, since that is known from then on.
    pub(super) patterns: BTreeSet<Arc<str>>,
    /// How many were opened so far.
    pub(super) opened: u64,
    pub(super) opening: HashSet<String>,
    /// The names of those that are being removed from the log.
    pub(super) leaving: HashSet<String>,
    /// What waits until that is done with its name.
    pub(super) deferred: VecDeque<Deferred>,
    pub(super) io: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) beats: u64,
    pub(super) beating: bool,
    pub(super) next_beat: Duration,
    pub(super) next_trim: Duration,
    pub(super) trimming: bool,
    /// Who waits until everything is written, and until when.
    drains: Vec<(Duration, oneshot::Sender<Drained>)>,
    draining: bool,
    /// What its handles share. It is not one of them.
    held: Weak<Held>,
    unheld: bool,
    timer: Pin<Box<Sleep>>,
    /// Dropped when the hub ends; its thread ends then, if it has one of its own.
    _alive: oneshot::Sender<()>,
}

/// A topic, as far as the bus is concerned.
pub(super) struct TopicState {
    pub(super) transient: bool,
    pub(super) head: Offset,
    /// Where the last heartbeat has found it to end, if that is below the head.
    pub(super) low: Option<Offset>,
    pub(super) waiting: VecDeque<Waiting>,
    /// Messages in what waits.
    pub(super) waiting_count: usize,
    /// So many of what waits, the first ones, are appended each by itself.
    pub(super) alone: usize,
    pub(super) appending: bool,
    pub(super) tailing: bool,
    pub(super) readers: SmallVec<[Reader; 1]>,
    /// What was published in this turn, if there is no log.
    pub(super) unlogged: Vec<LogEntry>,
    /// The first offset that those have not got who read nothing themselves.
    pub(super) live: Offset,
    /// It is being read for them.
    pub(super) catching: bool,
    /// Envelopes that were published lately.
    pub(super) seen: Option<Box<DedupWindow<Uuid>>>,
}

/// A subscription that has the topic.
pub(super) struct Reader {
    /// Shared, since each clone of an address takes two allocations.
    pub(super) actor: Rc<Addr<SubscriptionActor>>,
    pub(super) slot: TopicSlot,
    /// It reads nothing itself: at most once.
    pub(super) is_live: bool,
    /// How long it was told that the topic is.
    pub(super) told: Offset,
}

/// A subscription that is open.
pub(super) struct Opened {
    pub(super) config: Arc<SubscriptionConfig>,
    /// The last window that somebody has opened it with.
    pub(super) window: u32,
    pub(super) dead_letters: Option<Arc<dyn Adapter>>,
    pub(super) number: u64,
    pub(super) scope: Scope,
    pub(super) actor: Rc<Addr<SubscriptionActor>>,
    pub(super) slots: u32,
}

/// What a future beside the mailbox has come to.
pub(super) enum Done {
    Appended(Appended),
    Prepared(Box<Prepared>),
    Unsubscribed(Unsubscribed),
    Beat(Beat),
    Tailed(Tailed),
    Caught(Caught),
    Trimmed,
}

impl Hub {
    pub(in crate::bus) fn new(
        config: BusConfig,
        log: Arc<dyn TopicLog>,
        clock: BusClock,
        held: &Arc<Held>,
        alive: oneshot::Sender<()>,
    ) -> Self {
        let seed = config.seed.unwrap_or_else(rand::random);
        // Both were checked when the bus was built.
        let transient = config.transient.iter().filter_map(|pattern| pattern.parse().ok()).collect();
        let shared = Shared {
            log: Arc::clone(&log),
            clock: clock.clone(),
            sanitizer: Sanitizer::with_patterns(&config.sensitive_patterns).unwrap_or_default(),
            heartbeat: config.heartbeat,
            idle_timeout: config.idle_timeout,
            hub: held.hub().clone(),
            spare: Spare::default(),
        };
        let now = clock.now();
        Self {
            next_beat: now.saturating_add(config.heartbeat),
            next_trim: now.saturating_add(config.retention_interval),
            timer: Box::pin(tokio::time::sleep_until(clock.instant(now))),
            config,
            log,
            clock,
            shared: Rc::new(shared),
            transient,
            seeds: SmallRng::seed_from_u64(seed),
            topics: HashMap::new(),
            dirty: Vec::new(),
            subscriptions: BTreeMap::new(),
            patterns: BTreeSet::new(),
            opened: 0,
            opening: HashSet::new(),
            leaving: HashSet::new(),
            deferred: VecDeque::new(),
            io: FuturesUnordered::new(),
            beats: 0,
            beating: false,
            trimming: false,
            drains: Vec::new(),
            draining: false,
            held: Arc::downgrade(held),
            unheld: false,
            _alive: alive,
        }
    }

    /// Whether nothing more is taken.
    pub(super) const fn is_draining(&self) -> bool {
        self.draining
    }

    fn turn(&mut self, ctx: &mut Context<Self>, cx: &mut TaskContext<'_>) {
        self.upkeep(self.clock.now());
        let mut left = 64;
        loop {
            for topic in std::mem::take(&mut self.dirty) {
                self.append_next(&topic, cx);
            }
            match self.io.poll_next_unpin(cx) {
                Poll::Ready(Some(done)) => self.done(done, ctx),
                // More may wait than was appended at once.
                _ if self.dirty.is_empty() => break,
                _ => {}
            }
            left -= 1;
            if left == 0 {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if self.draining {
            let unwritten = self.topics.values().map(|topic| topic.waiting_count).sum();
            self.drained(unwritten);
            if self.unheld && unwritten == 0 {
                ctx.stop();
                return;
            }
        }
        self.keep_time(cx);
    }

    /// Answers those that need not wait any longer.
    fn drained(&mut self, unwritten: usize) {
        let now = self.clock.now();
        for (until, reply) in std::mem::take(&mut self.drains) {
            if unwritten == 0 || until <= now {
                let _ = reply.send(Drained { left: until.saturating_sub(now), unwritten });
            } else {
                self.drains.push((until, reply));
            }
        }
    }

    fn keep_time(&mut self, cx: &mut TaskContext<'_>) {
        let drain = self.drains.iter().map(|(until, _)| *until);
        let due = drain.fold(self.next_beat.min(self.next_trim), Duration::min);
        let due = self.clock.instant(due);
        if self.timer.deadline() != due {
            self.timer.as_mut().reset(due);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    pub(super) fn done(&mut self, done: Done, ctx: &mut Context<Self>) {
        match done {
            Done::Appended(appended) => self.appended(appended),
            Done::Prepared(prepared) => self.prepared(*prepared, ctx),
            Done::Unsubscribed(unsubscribed) => self.unsubscribed(unsubscribed, ctx),
            Done::Beat(beat) => self.beaten(beat),
            Done::Tailed(tailed) => self.tailed(tailed),
            Done::Caught(caught) => self.caught(caught),
            Done::Trimmed => self.trimming = false,
        }
    }

    /// Ends the subscriptions: they have work of their own, and would go on without anybody.
    fn abandon_all(&mut self) {
        for opened in std::mem::take(&mut self.subscriptions).into_values() {
            opened.actor.do_send(Abandon);
        }
    }

    /// The state of a topic; one that was not known joins the subscriptions that it matches.
    pub(super) fn topic(&mut self, topic: &Topic) -> &mut TopicState {
        if !self.topics.contains_key(topic) {
            let state = self.new_topic(topic);
            self.topics.insert(topic.clone(), state);
        }
        // It is there by now.
        self.topics.entry(topic.clone()).or_insert_with(TopicState::empty)
    }

    fn new_topic(&mut self, topic: &Topic) -> TopicState {
        let mut state = TopicState::empty();
        state.transient = self.transient.iter().any(|pattern| pattern.matches(topic));
        if self.config.dedup_capacity > 0 {
            let window = DedupWindow::new(self.config.dedup_capacity, self.config.dedup_window);
            state.seen = Some(Box::new(window));
        }
        for name in &self.patterns {
            let Some(opened) = self.subscriptions.get_mut(name) else { continue };
            if opened.has(topic, state.transient) {
                state.readers.push(opened.join_new(topic.clone(), Offset::ZERO));
            }
        }
        state
    }
}

impl Opened {
    /// Whether a topic belongs to it. One without a log does only at most once.
    pub(super) fn has(&self, topic: &Topic, transient: bool) -> bool {
        self.scope.has(topic) && !(transient && self.config.guarantee == Guarantee::AtLeastOnce)
    }
}

impl TopicState {
    fn empty() -> Self {
        Self {
            transient: false,
            head: Offset::ZERO,
            low: None,
            waiting: VecDeque::new(),
            waiting_count: 0,
            alone: 0,
            appending: false,
            tailing: false,
            readers: SmallVec::new(),
            unlogged: Vec::new(),
            live: Offset::ZERO,
            catching: false,
            seen: None,
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // What waits is bounded by the topic, with an answer for whoever is over the bound.
        ctx.set_mailbox_capacity(usize::MAX >> 4);
        ctx.spawn(Turns);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.abandon_all();
    }
}

/// Gives the actor a turn whenever its mailbox has been worked off, and whenever something it waits for has come.
struct Turns;

impl ActorFuture<Hub> for Turns {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        hub: &mut Hub,
        ctx: &mut Context<Hub>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        hub.turn(ctx, cx);
        Poll::Pending
    }
}

impl Hub {
    pub(super) fn handle_of(&self, name: &str) -> Option<Subscription> {
        let ((name, opened), held) = (self.subscriptions.get_key_value(name)?, self.held.upgrade()?);
        Some(Subscription {
            name: Arc::clone(name),
            guarantee: opened.config.guarantee,
            actor: Addr::clone(&opened.actor),
            _held: held,
            log: Arc::clone(&self.log),
        })
    }
}

impl Handler<Find> for Hub {
    type Result = MessageResult<Find>;

    fn handle(&mut self, Find(name): Find, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.handle_of(&name))
    }
}

impl Handler<List> for Hub {
    type Result = MessageResult<List>;

    fn handle(&mut self, _: List, _: &mut Context<Self>) -> Self::Result {
        let names = self.subscriptions.keys();
        MessageResult(names.filter_map(|name| self.handle_of(name)).collect())
    }
}

impl Handler<Drain> for Hub {
    type Result = ();

    fn handle(&mut self, Drain { deadline, reply }: Drain, _: &mut Context<Self>) {
        self.draining = true;
        self.drains.push((self.clock.now().saturating_add(deadline), reply));
    }
}

impl Handler<Unheld> for Hub {
    type Result = ();

    /// Nothing is delivered any more; what was taken is written before it ends.
    fn handle(&mut self, _: Unheld, _: &mut Context<Self>) {
        (self.draining, self.unheld) = (true, true);
        self.abandon_all();
    }
}

impl Handler<End> for Hub {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
