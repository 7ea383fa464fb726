use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::log::LogRecord;
use dispatch_core::subscription::{
    Arrival, ConsumerId, LiveState, MessageKey, SubscriptionConfig, SubscriptionStatus, SubscriptionType,
    TopicStatus,
};

use super::actor::Parts;
use super::{AddTopic, Command, Connect, PauseConsumer, Pushed, StopReport, SubscriptionInfo};
use crate::bus::BusError;
use crate::bus::consumer::{
    Acknowledge, Change, Connected, Consume, Consumers, Delivery, Handle, Handling, Running,
};
use crate::bus::futures::Futures;

/// An at-most-once subscription at work.
///
/// - A message goes to a consumer that has room, or is dropped and counted. Nothing is kept but what is not due yet.
/// - A consumer has room while it has fewer than `capacity` messages before it.
pub(super) struct Live {
    parts: Parts,
    state: LiveState,
    topics: Vec<Topic>,
    /// Beside each, how many messages it has before it.
    consumers: Consumers<Arc<AtomicU32>>,
    running: Futures<Busy>,
    /// Messages whose time has not come.
    delayed: BTreeMap<(Duration, u64), LogRecord>,
    ready: Vec<LogRecord>,
    number: u64,
    /// Since when messages have been dropped because there is no consumer.
    idle_since: Option<Duration>,
    abandoned: bool,
}

/// A function of a consumer at work; it takes a place before the consumer as long as it runs.
struct Busy {
    running: Running,
    _place: Option<Acknowledge>,
}

impl Future for Busy {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.running).poll(cx).map(|_| ())
    }
}

/// Polls a function once; one that goes on takes a place before its consumer, unless it has one.
fn begin(
    busy: &mut Futures<Busy>,
    mut running: Running,
    before: Option<&Arc<AtomicU32>>,
    cx: &mut Context<'_>,
) {
    if Pin::new(&mut running).poll(cx).is_pending() {
        busy.push(Busy { running, _place: before.map(Acknowledge::live) });
    }
}

impl Live {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            state: LiveState::new(&parts.config),
            consumers: Consumers::new(&parts),
            parts,
            topics: Vec::new(),
            running: Futures::new(),
            delayed: BTreeMap::new(),
            ready: Vec::new(),
            number: 0,
            idle_since: None,
            abandoned: false,
        }
    }

    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        while let Poll::Ready(Some(())) = self.running.poll_next(cx) {}
        if self.consumers.due().is_some() || !self.delayed.is_empty() {
            let now = self.parts.shared.clock.now();
            for (consumer, change) in self.consumers.upkeep(now) {
                self.changed(consumer, change);
            }
            while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
                let record = entry.remove();
                let expires = record.entry.expires_at.map(|time| self.parts.shared.clock.at(time, now));
                if self.state.came_due(expires, now) {
                    self.ready.push(record);
                }
            }
        }
        let mut dead = self.consumers.died(cx);
        if !self.ready.is_empty() {
            // One that has gone without a word is to cost nobody a message.
            dead.extend(self.consumers.vanished());
        }
        for consumer in dead {
            self.lost(consumer);
        }
        let mut ready = std::mem::take(&mut self.ready);
        for record in ready.drain(..) {
            self.offer(record, cx);
        }
        self.ready = ready;
        // What has just begun to run has to be polled where it is.
        while let Poll::Ready(Some(())) = self.running.poll_next(cx) {}
        let due = self.delayed.first_key_value().map(|((due, _), _)| *due);
        [due, self.consumers.due(), self.idle()].into_iter().flatten().min()
    }

    /// When it ends, if no consumer comes until then.
    fn idle(&mut self) -> Option<Duration> {
        let ends = self.idle_since?.saturating_add(self.parts.shared.idle_timeout);
        self.abandoned = self.parts.shared.clock.now() >= ends;
        Some(ends)
    }

    /// Whether its messages have had no consumer for so long that it is to end.
    pub(super) const fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Gives a message to whoever has room.
    fn offer(&mut self, record: LogRecord, cx: &mut Context<'_>) {
        let key = (self.parts.config.kind == SubscriptionType::KeyShared)
            .then(|| record.entry.envelope.key().map(MessageKey::new))
            .flatten();
        let (consumers, capacity) = (&self.consumers, self.parts.config.capacity);
        let has_room = |id: ConsumerId| {
            consumers
                .get(id)
                .is_some_and(|it| it.beside.load(Ordering::Relaxed) < capacity && it.handle.is_connected())
        };
        let Some(consumer) = self.state.pick(key.as_ref(), has_room) else {
            if self.consumers.is_empty() && self.idle_since.is_none() && !self.state.is_paused() {
                self.idle_since = Some(self.parts.shared.clock.now());
            }
            return;
        };
        let Some(connected) = self.consumers.get(consumer) else { return };
        let delivery = Delivery::new(record, 1);
        match &connected.handle {
            Handle::Function(function) => {
                // A panic is dropped like everything else that goes wrong at most once.
                if let Ok(running) = Running::answering(function, delivery, consumer, None) {
                    begin(&mut self.running, running, Some(&connected.beside), cx);
                }
            }
            Handle::Manual(function) => {
                let place = Acknowledge::live(&connected.beside);
                if let Some(running) = Running::manual(function, delivery, place, consumer, None) {
                    begin(&mut self.running, running, None, cx);
                }
            }
            Handle::Actor(..) | Handle::Supervised(_) => match connected.handle.recipient() {
                // The capacity bounds what is in the mailbox.
                Some((recipient, _)) => {
                    recipient.do_send(Consume::new(
                        delivery,
                        Acknowledge::live(&connected.beside),
                        Handling::default(),
                    ));
                }
                None => self.lost(consumer),
            },
        }
    }

    /// The actor of a consumer is dead.
    fn lost(&mut self, consumer: ConsumerId) {
        if let Some(change) = self.consumers.lost(consumer, self.parts.shared.clock.now()) {
            self.changed(consumer, change);
        }
    }

    fn changed(&mut self, consumer: ConsumerId, change: Change) {
        match change {
            Change::Up => self.state.set_down(consumer, false),
            Change::Down => self.state.set_down(consumer, true),
            Change::Gone => {
                self.state.remove(consumer);
            }
        }
    }

    pub(super) fn pushed(&mut self, pushed: Pushed) {
        for record in Arc::unwrap_or_clone(pushed.records) {
            let entry = &record.entry;
            if entry.available_at.is_none() && entry.expires_at.is_none() {
                self.ready.push(record);
                continue;
            }
            let now = self.parts.shared.clock.now();
            let at = |time| self.parts.shared.clock.at(time, now);
            let (due, expires) = (entry.available_at.map(at), entry.expires_at.map(at));
            match self.state.arrived(due, expires, now) {
                Arrival::Now => self.ready.push(record),
                Arrival::Later(due) => {
                    self.number += 1;
                    self.delayed.insert((due, self.number), record);
                }
                Arrival::Dropped => {}
            }
        }
    }

    pub(super) fn add_topic(&mut self, add: AddTopic) {
        self.topics.push(add.topic);
    }

    pub(super) fn connect(&mut self, connect: Connect) {
        let Connect { name, keys, make, reply } = connect;
        if let Some(full) = self.consumers.full(0) {
            let _ = reply.send(Err(full));
            return;
        }
        let consumer = self.consumers.next_id();
        if !self.state.add(consumer, keys.as_deref()) {
            let _ = reply.send(Err(BusError::ConsumerRefused { name: self.parts.config.name.clone() }));
            return;
        }
        self.idle_since = None;
        let connected = Connected { name, handle: make(), beside: Arc::new(AtomicU32::new(0)) };
        if let Some(change) = self.consumers.add(consumer, connected) {
            self.changed(consumer, change);
        }
        let _ = reply.send(Ok(consumer));
    }

    pub(super) fn disconnect(&mut self, consumer: ConsumerId) {
        self.state.remove(consumer);
        self.consumers.remove(consumer);
        self.running.retain(|busy| busy.running.consumer() != consumer);
    }

    pub(super) fn pause_consumer(&mut self, pause: &PauseConsumer) {
        self.state.pause(pause.consumer, pause.paused);
    }

    pub(super) const fn stop(&mut self) {
        self.state.set_paused(true);
    }

    /// Whether no function of a consumer is at work.
    pub(super) fn is_quiet(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn report(&self) -> StopReport {
        StopReport { unacknowledged: self.running.len(), ..StopReport::default() }
    }

    pub(super) fn command(&mut self, command: Command) {
        let no = || BusError::AtMostOnce { name: self.parts.config.name.clone() };
        match command {
            Command::Pause(paused) => self.state.set_paused(paused),
            Command::Info(reply) => {
                let _ = reply.send(self.info());
            }
            Command::Flush(reply) => {
                let _ = reply.send(Ok(()));
            }
            Command::Seek { reply, .. } => {
                let _ = reply.send(Err(no()));
            }
            Command::Resolve { reply, .. } => {
                let _ = reply.send(Err(no()));
            }
            Command::Replay { reply, .. } => {
                let _ = reply.send(Err(no()));
            }
            Command::Window(_) | Command::Stop { .. } => {}
        }
    }

    fn info(&self) -> SubscriptionInfo {
        let mut status = SubscriptionStatus::default();
        status.consumers = self.consumers.len();
        status.in_flight = self.consumers.iter().map(|it| it.beside.load(Ordering::Relaxed) as usize).sum();
        status.aside = self.state.aside();
        status.paused = self.state.is_paused();
        status.counters = self.state.counters();
        SubscriptionInfo {
            config: SubscriptionConfig::clone(&self.parts.config),
            status,
            topics: self.topics.iter().map(|topic| (topic.clone(), TopicStatus::default())).collect(),
            consumers: self.consumers.info(self.state.active()),
            oldest_unacknowledged: None,
            last_error: None,
        }
    }
}
