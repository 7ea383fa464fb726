//! A subscription in a world of its own: a log that is a list, a clock that stands still until it is told to go, and
//! consumers that only write down what they get.
//!
//! By default everything that the state asks for is done at once; [`Simulation::by_hand`] leaves that to the caller, who
//! can do it late, in another order, or let it fail.

mod answers;
mod log;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dispatch_core::log::{Offset, OffsetRanges};
use dispatch_core::subscription::{
    ConsumerId, DeliveryToken, Effect, Event, Guarantee, LiveState, Resolution, SubscriptionConfig,
    SubscriptionState, SubscriptionStatus, TopicSlot,
};
use uuid::Uuid;

pub use log::{Published, SimulatedLog};
pub use seen::{Happened, Seen};

/// The only topic.
pub const TOPIC: TopicSlot = TopicSlot(0);

/// A subscription, and all that is around it.
#[derive(Debug)]
pub struct Simulation {
    config: SubscriptionConfig,
    seed: u64,
    by_hand: bool,
    records: Option<usize>,
    /// What was published.
    pub log: SimulatedLog,
    /// The time since the beginning.
    pub now: Duration,
    side: Side,
    consumers: BTreeMap<String, ConsumerId>,
    /// Everybody who was ever there.
    names: BTreeMap<ConsumerId, String>,
    next_consumer: u64,
    /// Names of consumers that have no room; only an at-most-once subscription asks.
    pub full: BTreeSet<String>,
    /// What was handed out, in order.
    pub deliveries: Vec<(String, Offset)>,
    tokens: BTreeMap<(String, Offset), DeliveryToken>,
    /// The cursor as it was saved last.
    pub saved: (Offset, OffsetRanges),
    /// What was parked.
    pub parked: Vec<Offset>,
    /// What the dead-letter target has.
    pub dead: Vec<Offset>,
    /// Consumers that were refused.
    pub refused: Vec<String>,
    /// What was parked, and is not any more.
    pub unparked: Vec<Uuid>,
    /// What the state asked for and has no answer to yet.
    pub open: Vec<Effect<Published>>,
    /// All that could be seen, in order.
    pub history: Vec<Seen>,
}

/// The state under test.
#[derive(Debug)]
enum Side {
    Live(Box<LiveState>),
    Reliable(Box<SubscriptionState<Published>>),
}

impl Simulation {
    /// A subscription to an empty log.
    #[must_use]
    pub fn new(config: SubscriptionConfig, seed: u64) -> Self {
        let mut simulation = Self {
            side: Side::Live(Box::new(LiveState::new(&config))),
            config,
            seed,
            by_hand: false,
            records: None,
            log: SimulatedLog::default(),
            now: Duration::ZERO,
            consumers: BTreeMap::new(),
            names: BTreeMap::new(),
            next_consumer: 0,
            full: BTreeSet::new(),
            deliveries: Vec::new(),
            tokens: BTreeMap::new(),
            saved: (Offset::ZERO, OffsetRanges::default()),
            parked: Vec::new(),
            dead: Vec::new(),
            refused: Vec::new(),
            unparked: Vec::new(),
            open: Vec::new(),
            history: Vec::new(),
        };
        simulation.open();
        simulation
    }

    /// Answers nothing by itself from now on.
    #[must_use]
    pub fn by_hand(mut self) -> Self {
        self.by_hand = true;
        self
    }

    /// Keeps this many records of messages that wait aside in memory.
    #[must_use]
    pub fn keeping_records(mut self, most: usize) -> Self {
        self.records = Some(most);
        self.open();
        self
    }

    /// Begins where the saved cursor is.
    fn open(&mut self) {
        if self.config.guarantee == Guarantee::AtMostOnce {
            self.side = Side::Live(Box::new(LiveState::new(&self.config)));
            return;
        }
        let mut state = SubscriptionState::new(&self.config, self.seed, self.now);
        if let Some(most) = self.records {
            state = state.keeping_records(most);
        }
        self.side = Side::Reliable(Box::new(state));
        let (next, settled) = self.saved.clone();
        let head = self.log.head();
        self.step(Event::TopicAdded { next, settled, head, stored: true });
    }

    /// Appends messages; they are offered to the subscription as a bus does it.
    pub fn publish(&mut self, published: Vec<Published>) {
        let messages = self.log.append(published, self.now);
        match &mut self.side {
            Side::Live(live) => {
                for message in messages {
                    let has_room = |consumer| !self.full.contains(&self.names[&consumer]);
                    if let Some(consumer) = live.pick(message.key.as_ref(), has_room) {
                        self.deliveries.push((self.names[&consumer].clone(), message.offset));
                    }
                }
            }
            Side::Reliable(_) => self.step(Event::Appended { topic: TOPIC, messages }),
        }
    }

    /// Appends messages, and nobody tells the subscription.
    pub fn publish_unheard(&mut self, published: Vec<Published>) {
        self.log.append(published, self.now);
    }

    /// The subscription is told how long the log is, as a watchdog does it.
    pub fn hear(&mut self) {
        let head = self.log.head();
        self.step(Event::HeadMoved { topic: TOPIC, head });
    }

    /// A consumer connects; the same name may come back.
    pub fn add(&mut self, name: &str) {
        self.add_with_keys(name, None);
    }

    /// A consumer connects that takes keys of a pattern only.
    pub fn add_with_keys(&mut self, name: &str, keys: Option<&str>) {
        self.next_consumer += 1;
        let consumer = ConsumerId(self.next_consumer);
        self.names.insert(consumer, name.to_owned());
        let before = self.refused.len();
        match &mut self.side {
            Side::Live(live) => {
                if !live.add(consumer, keys) {
                    self.refused.push(name.to_owned());
                }
            }
            Side::Reliable(_) => {
                self.step(Event::ConsumerAdded { consumer, keys: keys.map(str::to_owned) });
            }
        }
        if self.refused.len() == before {
            self.consumers.insert(name.to_owned(), consumer);
        }
    }

    /// A consumer goes, whether it said so or not.
    pub fn disconnect(&mut self, name: &str) {
        let Some(consumer) = self.consumers.remove(name) else { return };
        match &mut self.side {
            Side::Live(live) => {
                live.remove(consumer);
            }
            Side::Reliable(_) => self.step(Event::ConsumerGone { consumer }),
        }
    }

    /// A consumer has died and will be started again, or is up again.
    pub fn set_down(&mut self, name: &str, down: bool) {
        let Some(consumer) = self.consumers.get(name).copied() else { return };
        match &mut self.side {
            Side::Live(live) => live.set_down(consumer, down),
            Side::Reliable(_) if down => self.step(Event::ConsumerDown { consumer }),
            Side::Reliable(_) => self.step(Event::ConsumerUp { consumer }),
        }
    }

    /// A consumer is paused, or goes on.
    pub fn pause(&mut self, name: &str, paused: bool) {
        let Some(consumer) = self.consumers.get(name).copied() else { return };
        match &mut self.side {
            Side::Live(live) => live.pause(consumer, paused),
            Side::Reliable(_) => self.step(Event::ConsumerPaused { consumer, paused }),
        }
    }

    /// A consumer acknowledges an offset, whether it has it or not.
    pub fn ack(&mut self, name: &str, offset: Offset) {
        if let Some(token) = self.token(name, offset) {
            self.step(Event::Ack(token));
        }
    }

    /// A consumer acknowledges an offset and all before it.
    pub fn ack_up_to(&mut self, name: &str, offset: Offset) {
        if let Some(token) = self.token(name, offset) {
            self.step(Event::AckUpTo(token));
        }
    }

    /// A consumer refuses an offset.
    pub fn nack(&mut self, name: &str, offset: Offset, delay: Option<Duration>) {
        self.nack_because(name, offset, delay, "no");
    }

    /// A consumer refuses an offset and says why.
    pub fn nack_because(&mut self, name: &str, offset: Offset, delay: Option<Duration>, reason: &str) {
        if let Some(token) = self.token(name, offset) {
            self.step(Event::Nack { token, delay, reason: reason.to_owned(), terminal: false });
        }
    }

    /// What a consumer was given last under an offset.
    #[must_use]
    pub fn last_token(&self, name: &str, offset: Offset) -> Option<DeliveryToken> {
        self.tokens.get(&(name.to_owned(), offset)).copied()
    }

    /// Somebody decides about a message that blocks.
    pub fn resolve(&mut self, offset: Offset, resolution: Resolution) {
        self.step(Event::Resolved { topic: TOPIC, offset, resolution });
    }

    /// The subscription goes elsewhere.
    pub fn seek(&mut self, to: Offset) {
        self.step(Event::Seek { topic: TOPIC, to });
    }

    /// Time goes by; whatever is due on the way happens on the way.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Side::Reliable(state) = &mut self.side
            && let Some(due) = state.next_deadline().filter(|due| *due <= end)
        {
            assert!(due > self.now, "due at {due:?}, which is not after {:?}: it would never end", self.now);
            self.now = due;
            self.step(Event::Tick);
        }
        self.now = end;
        self.step(Event::Tick);
    }

    /// The process dies and comes back without consumers; what was not saved is forgotten.
    pub fn restart(&mut self) {
        self.consumers.clear();
        self.tokens.clear();
        self.open.clear();
        self.open();
    }

    /// Something happens.
    pub fn step(&mut self, event: Event<Published>) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Side::Reliable(state) = &mut self.side else { return };
            let mut effects = Vec::new();
            state.step(event, self.now, &mut effects);
            for effect in effects {
                self.note(&effect);
                match effect {
                    Effect::Deliver { token, .. } => self.delivered(token),
                    Effect::Refused(consumer) => self.refused.push(self.names[&consumer].clone()),
                    Effect::Blocked(_) | Effect::TimedOut(_) => {}
                    Effect::Unpark(parked) => self.unparked.push(parked),
                    asked if self.by_hand => self.open.push(asked),
                    asked => events.extend(self.answer(asked)),
                }
            }
        }
    }

    /// How the subscription is; nothing but counters at most once.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        match &self.side {
            Side::Reliable(state) => state.status(),
            Side::Live(live) => {
                let mut status = SubscriptionStatus::default();
                (status.counters, status.consumers) = (live.counters(), live.consumers());
                status
            }
        }
    }

    /// The first offset that is not settled; none at most once.
    #[must_use]
    pub fn cursor(&self) -> Option<Offset> {
        match &self.side {
            Side::Reliable(state) => state.cursor(TOPIC),
            Side::Live(_) => None,
        }
    }

    /// Messages that block.
    #[must_use]
    pub fn blocked(&self) -> Vec<Offset> {
        match &self.side {
            Side::Reliable(state) => state.blocked().into_iter().map(|(_, offset)| offset).collect(),
            Side::Live(_) => Vec::new(),
        }
    }

    /// When something is due.
    pub fn next_deadline(&mut self) -> Option<Duration> {
        match &mut self.side {
            Side::Reliable(state) => state.next_deadline(),
            Side::Live(_) => None,
        }
    }

    /// The names of the consumers that are connected.
    #[must_use]
    pub fn connected(&self) -> Vec<String> {
        self.consumers.keys().cloned().collect()
    }

    /// The consumer that will come next.
    #[must_use]
    pub const fn next_consumer(&self) -> ConsumerId {
        ConsumerId(self.next_consumer + 1)
    }

    /// The consumer of a name, if it is connected.
    #[must_use]
    pub fn consumer(&self, name: &str) -> Option<ConsumerId> {
        self.consumers.get(name).copied()
    }

    fn note(&mut self, effect: &Effect<Published>) {
        match effect {
            Effect::Deliver { token, .. } => self.saw(Happened::Delivered(*token)),
            Effect::Park(exhaustion) | Effect::DeadLetter(exhaustion) => {
                self.saw(Happened::Keeping(exhaustion.keep.offset));
            }
            Effect::Blocked(exhaustion) => self.saw(Happened::Blocked(exhaustion.keep.offset)),
            Effect::Save(cursors) => {
                for cursor in cursors {
                    self.saw(Happened::Saving(cursor.next, cursor.settled.clone()));
                }
            }
            _ => {}
        }
    }

    fn saw(&mut self, what: Happened) {
        self.history.push(Seen { at: self.now, what });
    }

    /// What a consumer was given last under an offset; of others, a token that is not theirs.
    fn token(&self, name: &str, offset: Offset) -> Option<DeliveryToken> {
        let own = self.last_token(name, offset);
        own.or_else(|| {
            let (_, token) = self.tokens.iter().find(|((_, other), _)| *other == offset)?;
            let mut foreign = *token;
            foreign.consumer = *self.consumers.get(name)?;
            Some(foreign)
        })
    }

    fn delivered(&mut self, token: DeliveryToken) {
        let name = self.names[&token.consumer].clone();
        self.deliveries.push((name.clone(), token.offset));
        self.tokens.insert((name, token.offset), token);
    }
}
