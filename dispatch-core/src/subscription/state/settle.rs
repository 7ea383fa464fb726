use std::time::Duration;

use uuid::Uuid;

use super::SubscriptionState;
use super::entries::{Failures, Phase};
use crate::log::Offset;
use crate::subscription::{
    DeliveryToken, Effect, Exhausted, Exhaustion, Keep, Message, Resolution, TopicSlot,
};

impl<R: Clone> SubscriptionState<R> {
    pub(super) fn ack(&mut self, token: DeliveryToken, effects: &mut Vec<Effect<R>>) {
        if self.is_current(&token) {
            self.counters.acked += 1;
            self.settle(token.entry, effects);
        } else {
            self.stale(&token);
        }
    }

    /// An answer comes too late, or twice.
    fn stale(&mut self, token: &DeliveryToken) {
        self.counters.stale += 1;
        self.not_overdue(token);
    }

    pub(super) fn ack_up_to(&mut self, token: DeliveryToken, effects: &mut Vec<Effect<R>>) {
        if !self.is_current(&token) {
            self.stale(&token);
            return;
        }
        let theirs = self.entries.places(|entry| {
            entry.topic == token.topic
                && entry.offset <= token.offset
                && entry.phase == Phase::InFlight(token.consumer)
        });
        for place in theirs {
            self.counters.acked += 1;
            self.settle(place, effects);
        }
    }

    pub(super) fn nack(
        &mut self,
        token: DeliveryToken,
        delay: Option<Duration>,
        reason: String,
        terminal: bool,
        now: Duration,
        effects: &mut Vec<Effect<R>>,
    ) {
        if self.is_current(&token) {
            self.counters.nacked += 1;
            self.failed(token.entry, delay, reason, terminal, now, effects);
        } else {
            self.stale(&token);
        }
    }

    /// A consumer may have died of a message. If it did, it happens again; then it is one attempt each time.
    pub(super) fn suspected(
        &mut self,
        token: DeliveryToken,
        reason: String,
        now: Duration,
        effects: &mut Vec<Effect<R>>,
    ) {
        if !self.is_current(&token) {
            return;
        }
        let entry = self.entries.get_mut(token.entry);
        if entry.is_some_and(|entry| std::mem::replace(&mut entry.suspect, true)) {
            self.counters.nacked += 1;
            self.failed(token.entry, None, reason, false, now, effects);
        }
    }

    /// An attempt has failed: the message comes again, or its retries are used up.
    pub(super) fn failed(
        &mut self,
        place: u32,
        delay: Option<Duration>,
        reason: String,
        terminal: bool,
        now: Duration,
        effects: &mut Vec<Effect<R>>,
    ) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let failures = entry.failures.get_or_insert_with(|| {
            let (first_reason, last_reason) = (reason.clone(), String::new());
            Box::new(Failures { attempts: 0, first_reason, last_reason, first_at: now, last_at: now })
        });
        failures.attempts += 1;
        failures.last_reason = reason;
        failures.last_at = now;
        let (retries, elapsed) = (failures.attempts - 1, now.saturating_sub(failures.first_at));
        let backoff = self.retry.delay(retries, &mut self.rng).filter(|_| !terminal);
        let wait = backoff.map(|backoff| delay.map_or(backoff, |delay| self.retry.clamp(delay)));
        let Some(wait) = wait.filter(|wait| self.retry.has_time(elapsed, *wait)) else {
            self.exhaust(place, self.exhausted, effects);
            return;
        };
        let stamp = self.next_stamp();
        if let Some(entry) = self.entries.get_mut(place) {
            entry.stamp = stamp;
        }
        self.set_phase(place, Phase::Backoff);
        self.timers.wake_at(now.saturating_add(wait), place, stamp);
    }

    /// A message may be delivered again.
    pub(super) fn again(&mut self, place: u32) {
        let stamp = self.next_stamp();
        if let Some(entry) = self.entries.get_mut(place) {
            entry.stamp = stamp;
        }
        self.set_phase(place, Phase::Ready);
        self.line_up(place);
    }

    fn exhaust(&mut self, place: u32, then: Exhausted, effects: &mut Vec<Effect<R>>) {
        self.counters.exhausted += 1;
        self.put(place, then, effects);
    }

    fn put(&mut self, place: u32, then: Exhausted, effects: &mut Vec<Effect<R>>) {
        if then == Exhausted::Drop {
            self.counters.dropped += 1;
            self.settle(place, effects);
            return;
        }
        let stamp = self.next_stamp();
        if let Some(entry) = self.entries.get_mut(place) {
            entry.stamp = stamp;
            entry.going = then;
        }
        let phase = if then == Exhausted::Block { Phase::Blocking } else { Phase::Keeping };
        self.set_phase(place, phase);
        let Some(exhaustion) = self.exhaustion(place) else { return };
        effects.push(match then {
            Exhausted::Block => Effect::Blocked(exhaustion),
            Exhausted::DeadLetter => Effect::DeadLetter(exhaustion),
            Exhausted::Park | Exhausted::Drop => Effect::Park(exhaustion),
        });
    }

    /// What is known about a message whose retries are used up.
    fn exhaustion(&self, place: u32) -> Option<Exhaustion<R>> {
        let entry = self.entries.get(place)?;
        let failures = entry.failures.as_deref()?.clone();
        Some(Exhaustion {
            keep: Keep { topic: entry.topic, offset: entry.offset, entry: place, stamp: entry.stamp },
            record: entry.record.clone()?,
            attempts: failures.attempts,
            first_reason: failures.first_reason,
            last_reason: failures.last_reason,
            first_failed: failures.first_at,
            last_failed: failures.last_at,
            parked: entry.parked,
        })
    }

    pub(super) fn kept(&mut self, keep: Keep, effects: &mut Vec<Effect<R>>) {
        if !self.is_keeping(&keep) {
            return;
        }
        let Some(entry) = self.entries.get_mut(keep.entry) else { return };
        if entry.going == Exhausted::DeadLetter {
            self.counters.dead_lettered += 1;
        } else {
            self.counters.parked += 1;
        }
        // A message that was replayed and is parked again stays parked.
        let unpark = entry.going == Exhausted::DeadLetter;
        self.settle_and(keep.entry, unpark, effects);
    }

    pub(super) fn not_kept(&mut self, keep: Keep, again: Duration) {
        if self.is_keeping(&keep) {
            self.timers.wake_at(again, keep.entry, keep.stamp);
        }
    }

    /// A message will never be where it was to go. Of a key the others wait for it, and no place is taken meanwhile.
    pub(super) fn cannot_keep(&mut self, keep: Keep, reason: String, effects: &mut Vec<Effect<R>>) {
        if !self.is_keeping(&keep) {
            return;
        }
        let phase = if self.keyed() { Phase::Blocking } else { Phase::Unkept };
        self.set_phase(keep.entry, phase);
        if let Some(exhaustion) = self.exhaustion(keep.entry) {
            effects.push(Effect::Blocked(Exhaustion { last_reason: reason, ..exhaustion }));
        }
    }

    /// Tries again to put a message somewhere.
    pub(super) fn keep_again(&mut self, place: u32, effects: &mut Vec<Effect<R>>) {
        if let Some(then) = self.entries.get(place).map(|entry| entry.going) {
            self.put(place, then, effects);
        }
    }

    pub(super) fn resolve(
        &mut self,
        topic: TopicSlot,
        offset: Offset,
        resolution: Resolution,
        effects: &mut Vec<Effect<R>>,
    ) {
        let stuck = self
            .entries
            .places(|entry| entry.topic == topic && entry.offset == offset && entry.phase.is_stuck());
        for place in stuck {
            match resolution {
                Resolution::Retry => {
                    if let Some(entry) = self.entries.get_mut(place) {
                        entry.failures = None;
                        entry.suspect = false;
                    }
                    // With keys it has given its place in the window away, and waits for one like a new message.
                    if self.keyed() { self.go(place) } else { self.again(place) }
                }
                Resolution::Skip => self.put(place, Exhausted::Drop, effects),
                Resolution::Park => self.put(place, Exhausted::Park, effects),
            }
        }
    }

    pub(super) fn replay(&mut self, topic: TopicSlot, message: Message<R>, parked: Uuid, now: Duration) {
        let known = self.entries.iter().any(|(_, entry)| entry.parked == Some(parked));
        if known || self.topics.get(topic.0 as usize).is_none() {
            return;
        }
        let due = message.due.filter(|due| *due > now);
        let place = self.enter(topic, message, Phase::Loading);
        if let Some(entry) = self.entries.get_mut(place) {
            entry.parked = Some(parked);
        }
        match due {
            Some(due) => self.delay(place, due),
            None => self.admit(place),
        }
    }

    /// A message is done with, one way or the other: its offset is passed, and its key goes on.
    pub(super) fn settle(&mut self, place: u32, effects: &mut Vec<Effect<R>>) {
        self.settle_and(place, true, effects);
    }

    fn settle_and(&mut self, place: u32, unpark: bool, effects: &mut Vec<Effect<R>>) {
        let Some(entry) = self.forget(place) else { return };
        match entry.parked {
            // Its offset was passed when it was parked.
            Some(parked) if unpark => effects.push(Effect::Unpark(parked)),
            Some(_) => {}
            None => self.settle_offset(entry.topic, entry.offset),
        }
        if let Some(key) = entry.key
            && let Some(next) = self.keys.next(key.hash())
        {
            self.go(next);
        }
    }

    pub(super) fn settle_offset(&mut self, topic: TopicSlot, offset: Offset) {
        if let Some(progress) = self.progress(topic) {
            progress.settle(offset);
            self.saving.changed();
        }
    }

    fn is_current(&self, token: &DeliveryToken) -> bool {
        self.entries
            .get(token.entry)
            .is_some_and(|entry| entry.stamp == token.stamp && entry.phase == Phase::InFlight(token.consumer))
    }

    fn is_keeping(&self, keep: &Keep) -> bool {
        let entry = self.entries.get(keep.entry);
        entry.is_some_and(|entry| entry.stamp == keep.stamp && entry.phase == Phase::Keeping)
    }
}
