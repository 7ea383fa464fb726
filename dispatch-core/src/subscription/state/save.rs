use std::time::Duration;

use super::SubscriptionState;
use crate::subscription::{Effect, SavedCursor, TopicSlot};

/// When cursors are saved.
///
/// - The first change after a quiet interval is saved at once; those that follow, when the interval is over.
/// - One save is under way at a time; what changes meanwhile goes with the next.
/// - Changes are counted, so that it can be said of each whether it is saved, however many follow.
#[derive(Debug)]
pub(super) struct Saving {
    interval: Duration,
    last: Duration,
    not_before: Duration,
    /// How many changes there were so far, and how many of them are saved.
    changes: u64,
    saved: u64,
    flush: bool,
    under_way: Option<UnderWay>,
}

/// A save that is under way.
#[derive(Debug)]
struct UnderWay {
    topics: Vec<TopicSlot>,
    /// How many changes are saved with it.
    upto: u64,
}

impl Saving {
    pub(super) const fn new(interval: Duration, now: Duration) -> Self {
        Self {
            interval,
            last: now,
            not_before: Duration::ZERO,
            changes: 0,
            saved: 0,
            flush: false,
            under_way: None,
        }
    }

    /// Something was settled.
    pub(super) const fn changed(&mut self) {
        self.changes += 1;
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) const fn saved_changes(&self) -> u64 {
        self.saved
    }

    /// The next save is due at once.
    pub(super) const fn flush(&mut self) {
        self.flush = true;
    }

    pub(super) fn saved(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            self.saved = under_way.upto;
        }
    }

    pub(super) const fn is_clean(&self) -> bool {
        self.saved == self.changes
    }

    /// When the next save is due.
    pub(super) fn due(&self) -> Option<Duration> {
        let wanted = if self.flush { Duration::ZERO } else { self.last.saturating_add(self.interval) };
        (!self.is_clean() && self.under_way.is_none()).then(|| wanted.max(self.not_before))
    }
}

impl<R: Clone> SubscriptionState<R> {
    pub(super) fn save(&mut self, now: Duration, effects: &mut Vec<Effect<R>>) {
        if self.saving.is_clean() {
            self.saving.flush = false;
        }
        if self.saving.due().is_none_or(|due| due > now) {
            return;
        }
        let mut cursors = Vec::new();
        for (slot, progress) in (0..).zip(&mut self.topics) {
            if std::mem::take(&mut progress.dirty) {
                let (next, settled) = (progress.next(), progress.settled().clone());
                cursors.push(SavedCursor { topic: TopicSlot(slot), next, settled });
            }
        }
        self.saving.flush = false;
        self.saving.last = now;
        if cursors.is_empty() {
            self.saving.saved = self.saving.changes;
        } else {
            let topics = cursors.iter().map(|cursor| cursor.topic).collect();
            self.saving.under_way = Some(UnderWay { topics, upto: self.saving.changes });
            effects.push(Effect::Save(cursors));
        }
    }

    pub(super) fn not_saved(&mut self, again: Duration) {
        for topic in self.saving.under_way.take().map(|under_way| under_way.topics).unwrap_or_default() {
            if let Some(progress) = self.progress(topic) {
                progress.dirty = true;
            }
        }
        self.saving.not_before = again;
        self.saving.flush = true;
    }
}
