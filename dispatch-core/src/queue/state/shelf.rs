use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Due;
use crate::messenger::Priority;
use crate::queue::{Depth, MessageState, StoredMessage};

/// The messages of one queue: those that are ready in the order in which they are taken, the others as numbers.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) is_paused: bool,
    ready: [BTreeSet<Due>; 10],
    counts: [u64; MessageState::ALL.len()],
}

impl Shelf {
    /// A message has come into its state.
    pub(super) fn add(&mut self, stored: &StoredMessage) {
        self.count(stored.state, |count| count + 1);
        if let Some(ready) = self.ready_of(stored) {
            ready.insert((stored.due_at, stored.id));
        }
    }

    /// A message leaves its state.
    pub(super) fn remove(&mut self, stored: &StoredMessage) {
        self.count(stored.state, |count| count.saturating_sub(1));
        if let Some(ready) = self.ready_of(stored) {
            ready.remove(&(stored.due_at, stored.id));
        }
    }

    /// The message that is to be taken next, unless the queue is paused: how far its priority is from the highest, and
    /// its place in it.
    pub(super) fn next(&self, now: SystemTime) -> Option<(usize, Due)> {
        if self.is_paused {
            return None;
        }
        let due = |ready: &BTreeSet<Due>| ready.first().copied().filter(|(due, _)| *due <= now);
        self.ready.iter().rev().enumerate().find_map(|(distance, ready)| Some((distance, due(ready)?)))
    }

    /// When the next message is due, unless the queue is paused.
    pub(super) fn next_due(&self) -> Option<SystemTime> {
        let first = self.ready.iter().filter_map(BTreeSet::first).min();
        first.filter(|_| !self.is_paused).map(|(due, _)| *due)
    }

    pub(super) fn depth(&self, now: SystemTime) -> Depth {
        let ready: u64 = self.ready.iter().map(|ready| due_by(ready, now)).sum();
        let oldest = self.ready.iter().filter_map(BTreeSet::first).map(|(due, _)| *due).min();
        let of = |state: MessageState| self.counts.get(state as usize).copied().unwrap_or(0);
        Depth {
            ready,
            scheduled: of(MessageState::Ready).saturating_sub(ready),
            waiting: of(MessageState::Waiting),
            leased: of(MessageState::Leased),
            failed: of(MessageState::Failed),
            done: of(MessageState::Done) + of(MessageState::Expired),
            oldest_ready: oldest.filter(|due| *due <= now),
        }
    }

    fn count(&mut self, state: MessageState, change: impl Fn(u64) -> u64) {
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count = change(*count);
        }
    }

    fn ready_of(&mut self, stored: &StoredMessage) -> Option<&mut BTreeSet<Due>> {
        let priority = stored.message().filter(|_| stored.state == MessageState::Ready)?.priority;
        let place = usize::from(priority.get() - Priority::LOWEST.get());
        self.ready.get_mut(place)
    }
}

/// How many messages are due.
fn due_by(ready: &BTreeSet<Due>, now: SystemTime) -> u64 {
    match ready.last() {
        Some((last, _)) if *last <= now => ready.len() as u64,
        _ => ready.iter().take_while(|(due, _)| *due <= now).count() as u64,
    }
}
