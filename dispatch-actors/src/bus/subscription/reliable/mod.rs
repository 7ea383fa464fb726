mod consumers;
mod doubts;
mod fall;
mod flushes;
mod intake;
mod io;
mod mailbox;
mod troubles;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::log::LogRecord;
use dispatch_core::subscription::{ConsumerId, Effect, Event, SubscriptionState, TopicSlot};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use self::consumers::Answers;
use self::doubts::Doubts;
use self::flushes::Flushes;
pub(in crate::bus) use self::io::Done;
pub(in crate::bus) use self::mailbox::place;
use self::troubles::Troubles;
use super::actor::Parts;
use super::{Connect, SubscriptionInfo};
use crate::bus::consumer::{Consumers, Running};
use crate::bus::futures::Futures;
use crate::bus::keep;

/// Most events in one turn, so that others on the thread have theirs.
const TURN: usize = 512;

/// An at-least-once subscription at work.
pub(super) struct Reliable {
    parts: Parts,
    state: SubscriptionState<LogRecord>,
    topics: Vec<Topic>,
    /// What has happened and the state has not been told. Its room is borrowed from the [`Spare`](crate::bus::shared::Spare).
    events: VecDeque<Event<LogRecord>>,
    consumers: Consumers<()>,
    /// Who waits to hear whether they are connected.
    connecting: Vec<(ConsumerId, Connect)>,
    running: Futures<Running>,
    io: Futures<BoxFuture<'static, Done>>,
    /// How consumers answer by themselves; made when the first of them gets something, for it has room for many.
    answers: Option<Answers>,
    doubts: Doubts,
    flushes: Flushes,
    /// How many events there were so far, and how many of them have been worked off.
    pushed: u64,
    worked_off: u64,
    /// Who wants to know how it is, once so many events have been worked off: those that came before.
    infos: Vec<(u64, oneshot::Sender<SubscriptionInfo>)>,
    troubles: Troubles,
    stopping: bool,
}

impl Reliable {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            state: SubscriptionState::new(&parts.config, parts.seed, parts.shared.clock.now()),
            consumers: Consumers::new(&parts),
            parts,
            topics: Vec::new(),
            events: VecDeque::new(),
            connecting: Vec::new(),
            running: Futures::new(),
            io: Futures::new(),
            answers: None,
            doubts: Doubts::default(),
            flushes: Flushes::default(),
            pushed: 0,
            worked_off: 0,
            infos: Vec::new(),
            troubles: Troubles::default(),
            stopping: false,
        }
    }

    /// Works off everything that has come; when there is more to do, if nothing comes until then.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        self.work_off(cx);
        self.flushes.saved(self.state.saved_changes());
        self.answer_infos();
        if self.events.is_empty() && self.events.capacity() > 0 {
            self.parts.shared.spare.events.set(std::mem::take(&mut self.events));
        }
        [self.state.next_deadline(), self.consumers.due(), self.doubts.due()].into_iter().flatten().min()
    }

    /// Says how it is to whoever has asked before what was worked off last; more may have come since.
    fn answer_infos(&mut self) {
        let due = self.infos.iter().take_while(|(after, _)| *after <= self.worked_off).count();
        if due > 0 {
            let info = self.info();
            for (_, reply) in self.infos.drain(..due) {
                let _ = reply.send(info.clone());
            }
        }
    }

    /// Tells the state what has happened, and does what it asks for, until there is nothing more or the turn is over.
    fn work_off(&mut self, cx: &mut Context<'_>) {
        let mut effects = self.parts.shared.spare.effects.take();
        let mut left = TURN;
        let mut now = self.parts.shared.clock.now();
        loop {
            let moved = self.collect(cx, now);
            if self.state.next_deadline().is_some_and(|due| due <= now) {
                left = left.saturating_sub(self.time_goes_by(now, &mut effects, cx));
            } else if self.events.is_empty() && !moved {
                break;
            }
            while left > 0
                && let Some(event) = self.events.pop_front()
            {
                left -= 1;
                self.work_off_one(event, now, &mut effects, cx);
            }
            if left == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            now = self.parts.shared.clock.now();
        }
        self.parts.shared.spare.effects.set(effects);
    }

    /// Does what is due, after everything that came before, and that without a break: in one, answers could come too late
    /// that have been given in time. How many events it took.
    fn time_goes_by(
        &mut self,
        now: Duration,
        effects: &mut Vec<Effect<LogRecord>>,
        cx: &mut Context<'_>,
    ) -> usize {
        if self.state.next_time_out().is_some_and(|due| due <= now) {
            self.hear_all(cx);
        }
        self.push(Event::Tick);
        let (upto, mut count) = (self.pushed, 0);
        while self.worked_off < upto
            && let Some(event) = self.events.pop_front()
        {
            count += 1;
            self.work_off_one(event, now, effects, cx);
        }
        count
    }

    fn work_off_one(
        &mut self,
        event: Event<LogRecord>,
        now: Duration,
        effects: &mut Vec<Effect<LogRecord>>,
        cx: &mut Context<'_>,
    ) {
        self.worked_off += 1;
        let added = match &event {
            Event::ConsumerAdded { consumer, .. } => Some(*consumer),
            _ => None,
        };
        self.state.step(event, now, effects);
        self.flushes.worked_off(self.worked_off, self.state.changes());
        if let Some(consumer) = added {
            self.added(consumer, effects);
        }
        if self.stopping {
            // What is acknowledged from now on is saved at once: the interval may be over after the deadline.
            self.state.step(Event::Flush, now, effects);
        }
        self.apply(effects, cx);
    }

    fn push(&mut self, event: Event<LogRecord>) {
        if self.events.capacity() == 0 {
            self.events = self.parts.shared.spare.events.take();
        }
        self.pushed += 1;
        self.events.push_back(event);
    }

    /// Takes what has come from consumers and from the log.
    fn collect(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let before = self.events.len();
        let mut moved = false;
        let died = self.consumers.died(cx);
        while let Some((_, answers)) = &mut self.answers
            && let Poll::Ready(Some(answer)) = answers.poll_recv(cx)
        {
            self.answered(answer);
        }
        while let Poll::Ready(Some((token, verdict))) = self.running.poll_next(cx) {
            moved = true;
            self.finished(token, verdict);
        }
        while let Poll::Ready(Some(done)) = self.io.poll_next(cx) {
            moved = true;
            self.done(done);
        }
        self.bury(died, now);
        for (consumer, change) in self.consumers.restart(now) {
            self.changed(consumer, change);
        }
        if self.flushes.is_asked() {
            // A flush covers these too.
            self.hear_answers();
            self.push(Event::Flush);
            self.flushes.asked(self.pushed);
        }
        moved || self.events.len() > before
    }

    /// Takes every answer that waits. Polling ends when the task has had its part, though there are more.
    fn hear_answers(&mut self) {
        while let Some((_, answers)) = &mut self.answers
            && let Ok(answer) = answers.try_recv()
        {
            self.answered(answer);
        }
    }

    /// Takes every answer that was given: after the thread was away, many wait that were given in time.
    fn hear_all(&mut self, cx: &mut Context<'_>) {
        for (token, verdict) in self.running.poll_all(cx) {
            self.finished(token, verdict);
        }
        // Functions that answer by themselves have just done so.
        self.hear_answers();
    }

    fn apply(&mut self, effects: &mut Vec<Effect<LogRecord>>, cx: &mut Context<'_>) {
        self.time_out(effects);
        for effect in effects.drain(..) {
            let work = match effect {
                Effect::Deliver { token, record } => {
                    self.deliver(token, record, cx);
                    continue;
                }
                Effect::Fetch(request) => self.read(request),
                Effect::Load(load) => self.load(load),
                Effect::Park(exhausted) => self.park(exhausted),
                Effect::DeadLetter(exhausted) => self.dead_letter(exhausted),
                Effect::Unpark(id) => keep::unpark(Arc::clone(&self.parts.shared.log), self.name(), id),
                Effect::Save(cursors) => self.save(cursors),
                Effect::Blocked(exhausted) => {
                    self.say_exhausted(&exhausted, "block");
                    continue;
                }
                _ => continue,
            };
            self.begin(work, cx);
        }
    }

    /// Polls a future once; most logs in memory answer at once.
    fn begin(&mut self, mut work: BoxFuture<'static, Done>, cx: &mut Context<'_>) {
        match work.as_mut().poll(cx) {
            Poll::Ready(done) => self.done(done),
            Poll::Pending => self.io.push(work),
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
