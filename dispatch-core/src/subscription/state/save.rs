use std::time::Duration;

use super::SubscriptionState;
use crate::subscription::{Effect, SavedCursor, TopicSlot};

/// When cursors are saved.
///
/// - The first change after a quiet interval is saved at once; those that follow, when the interval is over.
/// - One save is under way at a time; what changes meanwhile goes with the next.
#[derive(Debug)]
pub(super) struct Saving {
    interval: Duration,
    last: Duration,
    not_before: Duration,
    changed: bool,
    flush: bool,
    /// The topics of the save that is under way.
    under_way: Option<Vec<TopicSlot>>,
}

impl Saving {
    pub(super) const fn new(interval: Duration, now: Duration) -> Self {
        Self {
            interval,
            last: now,
            not_before: Duration::ZERO,
            changed: false,
            flush: false,
            under_way: None,
        }
    }

    /// Something was settled.
    pub(super) const fn changed(&mut self) {
        self.changed = true;
    }

    /// The next save is due at once.
    pub(super) const fn flush(&mut self) {
        self.flush = true;
    }

    pub(super) fn saved(&mut self) {
        self.under_way = None;
    }

    pub(super) const fn is_clean(&self) -> bool {
        !self.changed && self.under_way.is_none()
    }

    /// When the next save is due.
    pub(super) fn due(&self) -> Option<Duration> {
        let wanted = if self.flush { Duration::ZERO } else { self.last.saturating_add(self.interval) };
        (self.changed && self.under_way.is_none()).then(|| wanted.max(self.not_before))
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
        self.saving.changed = false;
        self.saving.flush = false;
        self.saving.last = now;
        if !cursors.is_empty() {
            self.saving.under_way = Some(cursors.iter().map(|cursor| cursor.topic).collect());
            effects.push(Effect::Save(cursors));
        }
    }

    pub(super) fn not_saved(&mut self, again: Duration) {
        for topic in self.saving.under_way.take().unwrap_or_default() {
            if let Some(progress) = self.progress(topic) {
                progress.dirty = true;
            }
        }
        self.saving.changed = true;
        self.saving.not_before = again;
        self.saving.flush = true;
    }
}
