use std::time::Duration;

use super::SubscriptionState;
use super::consumers::Beside;
use super::entries::{Entry, Phase};
use super::lane::Lane;
use crate::subscription::{DeliveryToken, Effect, MessageKey};

/// What came of taking the next message.
enum Taken {
    /// There is one, and a consumer for it.
    Delivered,
    /// The next one was too old; there may be another.
    Expired,
    /// There is none, or no consumer for it.
    Nothing,
}

impl<R: Clone> SubscriptionState<R> {
    /// A message that nothing has to be waited for but its key.
    pub(super) fn admit(&mut self, place: u32) {
        match self.key_of(place).map(MessageKey::hash) {
            Some(hash) if !self.keys.may_go(hash, place) => {
                self.set_phase(place, Phase::Waiting);
                self.lighten(place);
            }
            _ => self.go(place),
        }
    }

    /// A message whose turn it is in its key: it is delivered when a consumer has room.
    pub(super) fn go(&mut self, place: u32) {
        if self.entries.get(place).is_some_and(|entry| entry.record.is_none()) {
            self.load(place);
            return;
        }
        self.set_phase(place, Phase::Fresh);
        self.line_up(place);
    }

    /// Puts a message that may be delivered into the lane that it belongs to.
    pub(super) fn line_up(&mut self, place: u32) {
        let Some(entry) = self.entries.get(place) else { return };
        let (order, phase) = (entry.order, entry.phase);
        let most = self.most_in_lane();
        let lane = match &entry.key {
            None => &mut self.common,
            Some(_) if self.members.is_empty() => return,
            Some(key) => {
                let owner = self.members.owner(key);
                let Some(member) = owner.and_then(|owner| self.members.get_mut(owner)) else {
                    self.outcasts.push(place);
                    return;
                };
                let beside = &mut member.beside;
                if phase == Phase::Queued || (phase == Phase::Fresh && beside.lane.fresh() >= most) {
                    beside.queued.push_back(place);
                    self.set_phase(place, Phase::Queued);
                    self.lighten(place);
                    return;
                }
                &mut beside.lane
            }
        };
        if phase == Phase::Ready { lane.push_again(order, place) } else { lane.push_fresh(order, place) }
    }

    /// Most new messages that stand ready for one consumer: half of the buffer is for them all, half for what is read.
    fn most_in_lane(&self) -> usize {
        self.buffer() / 2 / self.members.len().max(1)
    }

    /// Moves queued messages into lanes that have room; `false` if there is nothing to move.
    pub(super) fn refill(&mut self) -> bool {
        if !self.keyed() {
            return false;
        }
        let most = self.most_in_lane();
        let mut next = Vec::new();
        for member in self.members.iter_mut() {
            let Beside { lane, queued, loading, .. } = &mut member.beside;
            for place in queued.drain(..most.saturating_sub(lane.fresh() + *loading).min(queued.len())) {
                let is_light = self.entries.get(place).is_some_and(|entry| entry.record.is_none());
                *loading += usize::from(is_light);
                next.push(place);
            }
        }
        for place in &next {
            self.go(*place);
        }
        !next.is_empty()
    }

    /// Skips messages with keys that nobody takes: they must not hold the others up.
    pub(super) fn skip_outcasts(&mut self, effects: &mut Vec<Effect<R>>) {
        // Skipping one lets the next of its key go, which may be another one.
        while let Some(place) = self.outcasts.pop() {
            self.counters.unroutable += 1;
            self.settle(place, effects);
        }
    }

    /// Delivers what can be delivered.
    pub(super) fn deliver(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) {
        self.paced = None;
        if self.paused {
            return;
        }
        loop {
            if let Some(until) = self.pace.wait(now) {
                self.paced = Some(until).filter(|_| self.has_work());
                return;
            }
            match self.deliver_next(now, effects) {
                Taken::Delivered | Taken::Expired => {}
                Taken::Nothing => return,
            }
        }
    }

    fn deliver_next(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) -> Taken {
        let fresh_too = self.takes_fresh();
        if !fresh_too && self.held == 0 {
            return Taken::Nothing;
        }
        let share = self.share();
        let turn = self.members.turn();
        let (common, max_overdue) = (&mut self.common, self.max_overdue);
        let next = self.members.next(|member| {
            let beside = &member.beside;
            let has_room = beside.in_flight < share && beside.overdue.len() < max_overdue;
            has_room && (common.has(fresh_too) || beside.lane.has(fresh_too))
        });
        let Some(member) = next else { return Taken::Nothing };
        let consumer = member.id;
        let Some(place) = Lane::pop_first(&mut member.beside.lane, common, fresh_too) else {
            return Taken::Nothing;
        };
        let stamp = self.next_stamp();
        let Some(entry) = self.entries.get_mut(place) else { return Taken::Expired };
        if entry.expires.is_some_and(|expires| expires <= now) {
            self.members.set_turn(turn);
            self.counters.expired += 1;
            self.settle(place, effects);
            return Taken::Expired;
        }
        // What may be delivered has its record.
        let Some(record) = entry.record.clone() else { return Taken::Expired };
        entry.stamp = stamp;
        let attempt = entry.attempts() + 1;
        let again = entry.phase == Phase::Ready;
        let token = DeliveryToken {
            topic: entry.topic,
            offset: entry.offset,
            attempt,
            consumer,
            entry: place,
            stamp,
        };
        let bytes = entry.bytes;
        self.set_phase(place, Phase::InFlight(consumer));
        self.pace.pass(bytes, now);
        self.timers.answer_by(now.saturating_add(self.ack_timeout), place, stamp);
        self.counters.delivered += 1;
        self.counters.redelivered += u64::from(again);
        effects.push(Effect::Deliver { token, record });
        Taken::Delivered
    }

    /// Whether something new may be delivered.
    fn takes_fresh(&self) -> bool {
        self.fresh > 0 && self.held < self.window as usize && self.blocking == 0
    }

    /// Most messages that one consumer may have at a time, so that a silent one leaves some to the others.
    fn share(&self) -> u32 {
        let served = u32::try_from(self.members.served()).unwrap_or(u32::MAX);
        self.window.div_ceil(served.max(1)).max(1)
    }

    /// Whether something could be delivered, if the pace allowed it.
    fn has_work(&self) -> bool {
        let fresh_too = self.takes_fresh();
        self.members.served() > 0
            && (self.common.has(fresh_too)
                || self.members.iter().any(|member| member.beside.lane.has(fresh_too)))
    }

    pub(super) fn key_of(&self, place: u32) -> Option<&MessageKey> {
        self.entries.get(place)?.key.as_ref()
    }

    /// Moves a message to another phase, and counts it there.
    pub(super) fn set_phase(&mut self, place: u32, phase: Phase) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let (before, has_record) = (std::mem::replace(&mut entry.phase, phase), entry.record.is_some());
        self.count(before, phase, has_record);
    }

    /// Takes a message out, and counts it no more.
    pub(super) fn forget(&mut self, place: u32) -> Option<Entry<R>> {
        let entry = self.entries.remove(place)?;
        // As a phase that counts nowhere.
        self.count(entry.phase, Phase::Loading, entry.record.is_some());
        Some(entry)
    }

    fn count(&mut self, before: Phase, after: Phase, has_record: bool) {
        let keyed = self.keyed();
        let change = |count: &mut usize, was: bool, is: bool| match (was, is) {
            (false, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            _ => {}
        };
        change(&mut self.held, before.holds(keyed), after.holds(keyed));
        change(&mut self.aside, before.is_aside(keyed), after.is_aside(keyed));
        change(
            &mut self.aside_records,
            has_record && before.is_aside(keyed),
            has_record && after.is_aside(keyed),
        );
        change(&mut self.fresh, before == Phase::Fresh, after == Phase::Fresh);
        let blocks = |phase| !keyed && phase == Phase::Blocking;
        change(&mut self.blocking, blocks(before), blocks(after));
        for (phase, comes) in [(before, false), (after, true)] {
            if let Phase::InFlight(consumer) = phase
                && let Some(member) = self.members.get_mut(consumer)
            {
                let count = &mut member.beside.in_flight;
                *count = if comes { *count + 1 } else { count.saturating_sub(1) };
            }
        }
    }

    /// After messages were forgotten: takes them out of lanes and keys, and lets others of their keys go.
    pub(super) fn purge(&mut self) {
        let entries = &self.entries;
        let there = |place: u32| entries.get(place).is_some();
        self.common.retain(there);
        for member in self.members.iter_mut() {
            member.beside.lane.retain(there);
            member.beside.queued.retain(|place| there(*place));
            member.beside.loading = 0;
        }
        self.keys.retain(there);
        self.loads.retain(there);
        for (_, entry) in entries.iter().filter(|(_, entry)| entry.phase == Phase::Loading) {
            if let Some(owner) = entry.key.as_ref().and_then(|key| self.members.owner(key))
                && let Some(member) = self.members.get_mut(owner)
            {
                member.beside.loading += 1;
            }
        }
        let held: std::collections::HashSet<_> = entries
            .iter()
            .filter(|(_, entry)| entry.phase != Phase::Waiting && entry.phase != Phase::Delayed)
            .filter_map(|(_, entry)| entry.key.as_ref().map(MessageKey::hash))
            .collect();
        for hash in self.keys.hashes() {
            if !held.contains(&hash)
                && let Some(place) = self.keys.next(hash)
            {
                self.go(place);
            }
        }
    }
}

impl<R> Entry<R> {
    /// Attempts that failed.
    pub(super) fn attempts(&self) -> u32 {
        self.failures.as_ref().map_or(0, |failures| failures.attempts)
    }
}
