use std::collections::VecDeque;
use std::time::Duration;

use super::SubscriptionState;
use super::entries::Phase;
use crate::subscription::{Effect, Load};

/// Most records that are read again at a time.
const MOST: usize = 64;

/// Messages whose records are to be read again.
///
/// Few are read at a time. After a read that failed nothing is read until its time has come, and then one at a time until
/// one succeeds: a log that is away is asked once in a while, however many messages wait for it.
#[derive(Debug, Default)]
pub(super) struct Loads {
    /// Places with the stamps that their messages have for it.
    waiting: VecDeque<(u32, u64)>,
    under_way: usize,
    /// The read that was answered last has failed: nothing is read before this time.
    failed_until: Option<Duration>,
}

impl Loads {
    fn push(&mut self, place: u32, stamp: u64) {
        self.waiting.push_back((place, stamp));
    }

    fn has_room(&self) -> bool {
        self.under_way < if self.failed_until.is_some() { 1 } else { MOST }
    }

    fn next(&mut self, now: Duration) -> Option<(u32, u64)> {
        if !self.has_room() || self.failed_until.is_some_and(|until| now < until) {
            return None;
        }
        self.waiting.pop_front()
    }

    fn begun(&mut self) {
        self.under_way += 1;
    }

    fn answered(&mut self, failed_until: Option<Duration>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.failed_until = failed_until;
    }

    /// When there is something to read, unless a read that is under way is answered before.
    pub(super) fn due(&self) -> Option<Duration> {
        self.failed_until.filter(|_| self.has_room() && !self.waiting.is_empty())
    }

    /// Forgets messages that are not there any more; what is being read may be for them, and is not waited for.
    pub(super) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.under_way = 0;
        self.waiting.retain(|(place, _)| is_there(*place));
    }
}

impl<R: Clone> SubscriptionState<R> {
    /// The record of a message is to be read again.
    pub(super) fn load(&mut self, place: u32) {
        let stamp = self.next_stamp();
        let Some(entry) = self.entries.get_mut(place) else { return };
        entry.stamp = stamp;
        self.set_phase(place, Phase::Loading);
        self.loads.push(place, stamp);
    }

    /// Reads records again, as many as may be read at a time.
    pub(super) fn read_again(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) {
        while let Some((place, stamp)) = self.loads.next(now) {
            if let Some(entry) = self.entries.get(place).filter(|entry| entry.stamp == stamp) {
                self.loads.begun();
                let (topic, offset) = (entry.topic, entry.offset);
                effects.push(Effect::Load(Load { topic, offset, entry: place, stamp }));
            }
        }
    }

    /// A record could not be read: the message goes on waiting for it, behind the others.
    pub(super) fn load_failed(&mut self, load: Load, again: Duration) {
        self.loads.answered(Some(again));
        if self.entries.get(load.entry).is_some_and(|entry| entry.stamp == load.stamp) {
            self.loads.push(load.entry, load.stamp);
        }
    }

    pub(super) fn loaded(&mut self, load: Load, record: Option<R>, effects: &mut Vec<Effect<R>>) {
        self.loads.answered(None);
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
            self.go(load.entry);
        }
    }
}
