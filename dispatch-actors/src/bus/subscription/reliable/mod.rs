mod intake;
mod mailbox;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::log::{Cursor, LogRecord, ReadLimit};
use dispatch_core::subscription::{
    ConsumerId, DeliveryToken, Effect, Event, Exhaustion, Fetch, Load, SavedCursor, SubscriptionState,
    SubscriptionType, TopicSlot,
};
use dispatch_core::{DeadLetter, Topic};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use self::intake::Intake;
pub(in crate::bus) use self::mailbox::place;
use super::actor::Parts;
use super::{SubscriptionInfo, logging};
use crate::bus::consumer::{Acknowledge, Answer, Connected, Consume, Delivery, Handle, Running, Verdict};
use crate::bus::keep;

/// How long to wait before the log, or a dead-letter target, is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Most events in one turn, so that others on the thread have theirs.
const TURN: usize = 512;

/// An at-least-once subscription at work.
pub(super) struct Reliable {
    parts: Parts,
    state: SubscriptionState<LogRecord>,
    topics: Vec<Topic>,
    events: VecDeque<Event<LogRecord>>,
    effects: Vec<Effect<LogRecord>>,
    consumers: BTreeMap<ConsumerId, Connected>,
    next_consumer: u64,
    /// Who waits to hear whether they are connected.
    connecting: BTreeMap<ConsumerId, oneshot::Sender<Option<ConsumerId>>>,
    running: FuturesUnordered<Running>,
    io: FuturesUnordered<BoxFuture<'static, Done>>,
    /// How consumers answer by themselves; made when the first of them gets something, for it has room for many.
    answers: Option<(mpsc::UnboundedSender<Answer>, mpsc::UnboundedReceiver<Answer>)>,
    flushes: Vec<oneshot::Sender<()>>,
    /// Who wants to know how it is, once everything that came before has been worked off.
    infos: Vec<oneshot::Sender<SubscriptionInfo>>,
    next_beat: Option<Duration>,
    last_error: Option<String>,
    stopping: bool,
}

/// What a future beside the mailbox has come to.
pub(in crate::bus) struct Done {
    pub(in crate::bus) event: Option<Event<LogRecord>>,
    pub(in crate::bus) failed: Option<(&'static str, String)>,
}

impl Done {
    pub(in crate::bus) const fn event(event: Event<LogRecord>) -> Self {
        Self { event: Some(event), failed: None }
    }

    pub(in crate::bus) fn failed(
        what: &'static str,
        error: &dyn std::fmt::Display,
        then: Option<Event<LogRecord>>,
    ) -> Self {
        Self { event: then, failed: Some((what, error.to_string())) }
    }
}

impl Reliable {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            state: SubscriptionState::new(&parts.config, parts.seed, parts.clock.now()),
            parts,
            topics: Vec::new(),
            events: VecDeque::new(),
            effects: Vec::new(),
            consumers: BTreeMap::new(),
            next_consumer: 0,
            connecting: BTreeMap::new(),
            running: FuturesUnordered::new(),
            io: FuturesUnordered::new(),
            answers: None,
            flushes: Vec::new(),
            infos: Vec::new(),
            next_beat: None,
            last_error: None,
            stopping: false,
        }
    }

    /// Works off everything that has come; when there is more to do, if nothing comes until then.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let mut left = TURN;
        let mut now = self.parts.clock.now();
        loop {
            let moved = self.collect(cx, now);
            if self.events.is_empty() && self.state.next_deadline(now).is_some_and(|due| due <= now) {
                self.events.push_back(Event::Tick);
            }
            if self.events.is_empty() && !moved {
                break;
            }
            while left > 0
                && let Some(event) = self.events.pop_front()
            {
                left -= 1;
                let added = match &event {
                    Event::ConsumerAdded { consumer, .. } => Some(*consumer),
                    _ => None,
                };
                self.state.step(event, now, &mut self.effects);
                self.apply(cx);
                if let Some(reply) = added.and_then(|added| self.connecting.remove(&added)) {
                    // Whoever asked may have gone; then nobody removes the consumer, which is as they left it.
                    let _ = reply.send(added);
                }
            }
            if left == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            now = self.parts.clock.now();
        }
        if self.state.is_saved() {
            for flush in self.flushes.drain(..) {
                let _ = flush.send(());
            }
        }
        if self.events.is_empty() && !self.infos.is_empty() {
            let info = self.info();
            for reply in self.infos.drain(..) {
                let _ = reply.send(info.clone());
            }
        }
        [self.state.next_deadline(now), self.next_beat].into_iter().flatten().min()
    }

    /// Takes what has come from consumers and from the log.
    fn collect(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let before = self.events.len();
        let mut moved = false;
        while let Some((_, answers)) = &mut self.answers
            && let Poll::Ready(Some(answer)) = answers.poll_recv(cx)
        {
            self.answered(answer);
        }
        while let Poll::Ready(Some((token, verdict))) = self.running.poll_next_unpin(cx) {
            moved = true;
            self.finished(token, verdict);
        }
        while let Poll::Ready(Some(done)) = self.io.poll_next_unpin(cx) {
            moved = true;
            self.done(done);
        }
        if self.next_beat.is_some_and(|due| due <= now) {
            self.beat(now);
        }
        moved || self.events.len() > before
    }

    fn apply(&mut self, cx: &mut Context<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Deliver { token, record } => self.deliver(token, record, cx),
                Effect::Refused(consumer) => {
                    self.consumers.remove(&consumer);
                    if let Some(reply) = self.connecting.remove(&consumer) {
                        let _ = reply.send(None);
                    }
                }
                Effect::Fetch(request) => {
                    let read = self.read(request);
                    self.begin(read, cx);
                }
                Effect::Load(load) => {
                    let read = self.load(load);
                    self.begin(read, cx);
                }
                Effect::Park(exhausted) => {
                    self.say_exhausted(&exhausted, "park");
                    let (keep, Some(letter)) = (exhausted.keep, self.letter(exhausted)) else { continue };
                    let work = keep::park(Arc::clone(&self.parts.log), self.name(), keep, letter, AGAIN);
                    self.begin(work, cx);
                }
                Effect::DeadLetter(exhausted) => {
                    self.say_exhausted(&exhausted, "dead_letter");
                    let (keep, Some(letter)) = (exhausted.keep, self.letter(exhausted)) else { continue };
                    let work = keep::dead_letter(self.parts.dead_letters.clone(), keep, letter, AGAIN);
                    self.begin(work, cx);
                }
                Effect::Blocked(exhausted) => self.say_exhausted(&exhausted, "block"),
                Effect::Unpark(id) => {
                    let work = keep::unpark(Arc::clone(&self.parts.log), self.name(), id);
                    self.begin(work, cx);
                }
                Effect::Save(cursors) => {
                    let work = self.save(cursors);
                    self.begin(work, cx);
                }
                _ => {}
            }
        }
        self.effects = effects;
    }

    /// Polls a future once; most logs in memory answer at once.
    fn begin(&mut self, mut work: BoxFuture<'static, Done>, cx: &mut Context<'_>) {
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => self.done(done),
            Poll::Pending => self.io.push(work),
        }
    }

    fn done(&mut self, done: Done) {
        if let Some((what, error)) = done.failed {
            let error = self.parts.sanitizer.sanitize_text(&error);
            logging::failed(&self.parts.config.name, what, &error);
            self.last_error = Some(error);
        }
        self.events.extend(done.event);
    }

    fn deliver(&mut self, token: DeliveryToken, record: LogRecord, cx: &mut Context<'_>) {
        let Some(connected) = self.consumers.get(&token.consumer) else {
            self.events.push_back(Event::ConsumerGone { consumer: token.consumer });
            return;
        };
        let delivery = Delivery::new(record, token.attempt);
        match connected.handle.clone() {
            Handle::Function(function) => {
                match Running::answering(&function, delivery, token.consumer, Some(token)) {
                    Ok(running) => self.run(running, cx),
                    Err(verdict) => self.finished(Some(token), Some(verdict)),
                }
            }
            Handle::Manual(function) => {
                let acknowledge = self.acknowledge(token);
                if let Some(running) = Running::manual(&function, delivery, acknowledge, token.consumer) {
                    self.run(running, cx);
                }
            }
            Handle::Actor(recipient) => {
                if !recipient.connected() {
                    self.gone(token.consumer);
                    return;
                }
                let acknowledge = self.acknowledge(token);
                // The window bounds what is in the mailbox.
                recipient.do_send(Consume::new(delivery, acknowledge));
            }
        }
    }

    fn acknowledge(&mut self, token: DeliveryToken) -> Acknowledge {
        let (answer, _) = self.answers.get_or_insert_with(mpsc::unbounded_channel);
        Acknowledge::reliable(token, answer.clone())
    }

    fn run(&mut self, mut running: Running, cx: &mut Context<'_>) {
        match Pin::new(&mut running).poll(cx) {
            Poll::Ready((token, verdict)) => self.finished(token, verdict),
            Poll::Pending => self.running.push(running),
        }
    }

    fn finished(&mut self, token: Option<DeliveryToken>, verdict: Option<Verdict>) {
        let (Some(token), Some(verdict)) = (token, verdict) else { return };
        let event = match verdict {
            Verdict::Ack => Event::Ack(token),
            Verdict::Nack { delay, reason } => self.nack(token, delay, &reason, false),
            Verdict::Reject { reason } => self.nack(token, None, &reason, true),
        };
        self.events.push_back(event);
    }

    fn answered(&mut self, answer: Answer) {
        let event = match answer {
            Answer::Ack(token) => Event::Ack(token),
            Answer::AckUpTo(token) => Event::AckUpTo(token),
            Answer::Nack { token, delay, reason, terminal } => self.nack(token, delay, &reason, terminal),
            Answer::Dropped { token, panicking } => {
                let gone = self.consumers.get(&token.consumer).is_some_and(|it| !it.handle.is_connected());
                if panicking {
                    let nack = self.nack(token, None, "the consumer panicked", false);
                    self.events.push_back(nack);
                }
                if gone {
                    self.gone(token.consumer);
                }
                if gone || panicking {
                    return;
                }
                self.nack(token, None, "dropped without an answer", false)
            }
        };
        self.events.push_back(event);
    }

    fn nack(
        &self,
        token: DeliveryToken,
        delay: Option<Duration>,
        reason: &str,
        terminal: bool,
    ) -> Event<LogRecord> {
        let reason = self.parts.sanitizer.sanitize_text(reason);
        Event::Nack { token, delay, reason, terminal }
    }

    fn gone(&mut self, consumer: ConsumerId) {
        if let Some(connected) = self.consumers.remove(&consumer) {
            logging::consumer_gone(&self.parts.config.name, &connected.name);
            self.events.push_back(Event::ConsumerGone { consumer });
        }
    }

    /// Looks whether actors are still there: the only way to notice the death of one that has no messages.
    fn beat(&mut self, now: Duration) {
        let gone: Vec<_> =
            self.consumers.iter().filter(|(_, it)| !it.handle.is_connected()).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|consumer| self.gone(consumer));
        let actors = self.consumers.values().any(|it| matches!(it.handle, Handle::Actor(_)));
        self.next_beat = actors.then(|| now + self.parts.heartbeat);
    }

    fn read(&self, request: Fetch) -> BoxFuture<'static, Done> {
        let Some(topic) = self.topic(request.topic) else { return nothing() };
        let log = Arc::clone(&self.parts.log);
        let into = self.intake();
        Box::pin(async move {
            match log.read(&topic, request.from, ReadLimit::records(request.max)).await {
                Ok(read) => {
                    let messages = into.messages(read.records);
                    Done::event(Event::Fetched { request, messages, bounds: read.bounds })
                }
                Err(error) => {
                    let again = Event::FetchFailed { request, retry_in: AGAIN };
                    Done::failed("the log cannot be read", &error, Some(again))
                }
            }
        })
    }

    fn load(&self, load: Load) -> BoxFuture<'static, Done> {
        let Some(topic) = self.topic(load.topic) else { return nothing() };
        let log = Arc::clone(&self.parts.log);
        Box::pin(async move {
            loop {
                match log.read(&topic, load.offset, ReadLimit::records(1)).await {
                    Ok(read) => {
                        let record = read.records.into_iter().find(|record| record.offset == load.offset);
                        return Done::event(Event::Loaded { load, record });
                    }
                    Err(error) if error.is_retryable() => tokio::time::sleep(AGAIN).await,
                    Err(error) => {
                        let gone = Event::Loaded { load, record: None };
                        return Done::failed("a record cannot be read again", &error, Some(gone));
                    }
                }
            }
        })
    }

    fn save(&self, cursors: Vec<SavedCursor>) -> BoxFuture<'static, Done> {
        let (log, name) = (Arc::clone(&self.parts.log), self.name());
        let with_topic = |saved: SavedCursor| {
            let topic = self.topic(saved.topic)?;
            Some(Cursor { topic, next: saved.next, settled: saved.settled })
        };
        let cursors: Vec<_> = cursors.into_iter().filter_map(with_topic).collect();
        Box::pin(async move {
            match log.save_cursors(&name, cursors).await {
                Ok(()) => Done::event(Event::Saved),
                Err(error) => {
                    let again = Event::NotSaved { retry_in: AGAIN };
                    Done::failed("the cursor cannot be saved", &error, Some(again))
                }
            }
        })
    }

    fn letter(&self, exhausted: Exhaustion<LogRecord>) -> Option<DeadLetter> {
        let topic = self.topic(exhausted.keep.topic)?;
        Some(keep::letter(&self.parts, &topic, exhausted))
    }

    fn say_exhausted(&self, exhausted: &Exhaustion<LogRecord>, then: &str) {
        if let Some(topic) = self.topic(exhausted.keep.topic) {
            let name = &self.parts.config.name;
            let (offset, attempts) = (exhausted.keep.offset, exhausted.attempts);
            logging::exhausted(name, &topic, offset, attempts, &exhausted.last_reason, then);
        }
    }

    fn intake(&self) -> Intake {
        Intake {
            keyed: self.parts.config.kind == SubscriptionType::KeyShared,
            weighed: self.parts.config.bytes_per_second.is_some(),
            clock: self.parts.clock.clone(),
        }
    }

    fn name(&self) -> String {
        self.parts.config.name.clone()
    }

    fn topic(&self, slot: TopicSlot) -> Option<Topic> {
        self.topics.get(slot.0 as usize).cloned()
    }

    fn slot(&self, topic: &Topic) -> Option<TopicSlot> {
        let index = self.topics.iter().position(|known| known == topic)?;
        u32::try_from(index).ok().map(TopicSlot)
    }
}

fn nothing() -> BoxFuture<'static, Done> {
    Box::pin(std::future::ready(Done { event: None, failed: None }))
}
