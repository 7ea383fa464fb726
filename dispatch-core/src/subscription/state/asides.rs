use std::time::Duration;

use super::SubscriptionState;
use super::entries::Phase;
use crate::subscription::{Effect, Load};

/// Most records of messages that wait aside, unless another number is set.
pub(super) const RECORDS: usize = 1024;

impl<R: Clone> SubscriptionState<R> {
    /// A message that is not due yet.
    pub(super) fn delay(&mut self, place: u32, due: Duration) {
        let stamp = self.next_stamp();
        if let Some(entry) = self.entries.get_mut(place) {
            entry.stamp = stamp;
        }
        self.set_phase(place, Phase::Delayed);
        self.timers.wake_at(due, place, stamp);
        self.lighten(place);
    }

    /// Drops the record of a message that waits aside, if there are many of them.
    pub(super) fn lighten(&mut self, place: u32) {
        if self.aside_records > self.max_records
            && let Some(entry) = self.entries.get_mut(place)
            // A parked message is in no log.
            && entry.parked.is_none()
            && entry.record.take().is_some()
        {
            self.aside_records -= 1;
        }
    }

    /// Reads the record of a message again.
    pub(super) fn load(&mut self, place: u32, effects: &mut Vec<Effect<R>>) {
        let stamp = self.next_stamp();
        let Some(entry) = self.entries.get_mut(place) else { return };
        entry.stamp = stamp;
        let (topic, offset) = (entry.topic, entry.offset);
        self.set_phase(place, Phase::Loading);
        effects.push(Effect::Load(Load { topic, offset, entry: place, stamp }));
    }

    /// A record could not be read: the message goes on waiting for it.
    pub(super) fn load_failed(&mut self, load: Load, again: Duration) {
        if self.entries.get(load.entry).is_some_and(|entry| entry.stamp == load.stamp) {
            self.timers.wake_at(again, load.entry, load.stamp);
        }
    }

    pub(super) fn loaded(&mut self, load: Load, record: Option<R>, effects: &mut Vec<Effect<R>>) {
        let entry = self.entries.get_mut(load.entry);
        let Some(entry) = entry.filter(|entry| entry.stamp == load.stamp) else { return };
        let gone = record.is_none();
        entry.record = record;
        if let Some(owner) = entry.key.as_ref().and_then(|key| self.members.owner(key))
            && let Some(member) = self.members.get_mut(owner)
        {
            // Those that waited behind their key were not counted: the number is a limit, not a balance.
            member.beside.loading = member.beside.loading.saturating_sub(1);
        }
        if gone {
            self.counters.gap += 1;
            self.settle(load.entry, effects);
        } else {
            self.go(load.entry, effects);
        }
    }
}
