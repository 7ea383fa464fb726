use std::time::Duration;

use super::SubscriptionState;
use super::entries::{Entry, Phase};
use crate::log::{LogBounds, Offset, OffsetRanges};
use crate::subscription::progress::Progress;
use crate::subscription::{Effect, Fetch, Message, TopicSlot};

/// Fewest and most new messages that are kept ready.
const BUFFER: std::ops::RangeInclusive<usize> = 64..=1024;

/// When records are asked for again that the log holds and has not given.
const NOT_YET: Duration = Duration::from_millis(50);

/// When a log is asked again that ends below the head that was heard of.
const RUMOUR: Duration = Duration::from_millis(500);

/// Whether a topic holds something of what was asked for: one that holds anything has all from there to its head.
fn is_there(request: &Fetch, bounds: LogBounds) -> bool {
    !bounds.is_empty() && request.from < bounds.head
}

impl<R: Clone> SubscriptionState<R> {
    pub(super) fn add_topic(&mut self, next: Offset, settled: OffsetRanges, head: Offset, stored: bool) {
        let slot = TopicSlot(u32::try_from(self.topics.len()).unwrap_or(u32::MAX));
        if self.topics.is_empty() {
            // Most have one.
            self.topics.reserve_exact(1);
        }
        let mut progress = Progress::at(next, settled, head);
        if !stored {
            progress.dirty = true;
            self.saving.changed();
            self.saving.flush();
        }
        self.topics.push(progress);
        self.list(slot);
    }

    pub(super) fn head_moved(&mut self, topic: TopicSlot, head: Offset) {
        if let Some(progress) = self.progress(topic) {
            progress.head = progress.head.max(head);
            self.list(topic);
        }
    }

    pub(super) fn appended(&mut self, topic: TopicSlot, messages: Vec<Message<R>>, now: Duration) {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return };
        let (first, head) = (first.offset, last.offset.next());
        let room = self.room().saturating_sub(self.asked);
        let wanted = room > 0 && self.members.served() > 0 && self.aside < self.max_aside;
        let Some(progress) = self.progress(topic) else { return };
        progress.head = progress.head.max(head);
        if wanted && progress.fetch == first && !progress.fetching {
            for message in messages.into_iter().take(room) {
                self.take(topic, message, now);
            }
        }
        self.list(topic);
    }

    pub(super) fn fetched(
        &mut self,
        request: Fetch,
        messages: Vec<Message<R>>,
        bounds: LogBounds,
        now: Duration,
    ) {
        let head = bounds.head;
        // One from before the log has lost its end may say where that was.
        if let Some(progress) =
            self.progress(request.topic).filter(|progress| progress.epoch == request.epoch)
        {
            progress.head = progress.head.max(head);
        }
        if messages.is_empty() && is_there(&request, bounds) {
            self.fetch_failed(request, now.saturating_add(NOT_YET));
            return;
        }
        if messages.is_empty() && self.is_rumour(&request, bounds) {
            self.fetch_failed(request, now.saturating_add(RUMOUR));
            return;
        }
        self.asked = self.asked.saturating_sub(request.max);
        let Some(progress) = self.progress(request.topic) else { return };
        if progress.epoch != request.epoch {
            return;
        }
        progress.fetching = false;
        if messages.is_empty() {
            // All that was asked for is gone.
            if head > progress.fetch {
                self.gap(request.topic, head);
            }
        }
        for message in messages {
            self.take(request.topic, message, now);
        }
        self.list(request.topic);
    }

    /// Whether the log ends below what was heard of it: whoever has answered may be behind, so that head is not forgotten.
    fn is_rumour(&mut self, request: &Fetch, bounds: LogBounds) -> bool {
        let progress = self.progress(request.topic).filter(|progress| progress.epoch == request.epoch);
        progress.is_some_and(|progress| bounds.head <= progress.fetch && progress.fetch < progress.head)
    }

    pub(super) fn fetch_failed(&mut self, request: Fetch, again: Duration) {
        self.asked = self.asked.saturating_sub(request.max);
        let stamp = self.next_stamp();
        let Some(progress) = self.progress(request.topic).filter(|progress| progress.epoch == request.epoch)
        else {
            return;
        };
        // It counts as under way until then, so that nobody asks before.
        progress.fetching = true;
        self.timers.fetch_again(again, request, stamp);
    }

    /// The time for a read that had failed has come.
    pub(super) fn fetch_again(&mut self, request: Fetch) {
        if let Some(progress) =
            self.progress(request.topic).filter(|progress| progress.epoch == request.epoch)
        {
            progress.fetching = false;
            self.list(request.topic);
        }
    }

    /// Asks for records, as many as there is room for.
    pub(super) fn ask(&mut self, effects: &mut Vec<Effect<R>>) {
        if self.hungry.is_empty() || self.members.served() == 0 || self.aside >= self.max_aside {
            return;
        }
        let mut room = self.room().saturating_sub(self.asked);
        // Few reads of many, unless there is nothing to deliver.
        if room < self.buffer() / 2 && self.fresh > 0 {
            return;
        }
        while room > 0
            && let Some(topic) = self.hungry.pop_front()
        {
            let Some(progress) = self.progress(topic) else { continue };
            progress.listed = false;
            if progress.fetching || !progress.is_behind() {
                continue;
            }
            progress.fetching = true;
            let there = usize::try_from(progress.head.since(progress.fetch)).unwrap_or(usize::MAX);
            let (from, epoch, max) = (progress.fetch, progress.epoch, room.min(there));
            room -= max;
            self.asked += max;
            effects.push(Effect::Fetch(Fetch { topic, from, max, epoch }));
        }
    }

    pub(super) fn seek(&mut self, topic: TopicSlot, to: Offset) {
        if self.progress(topic).is_none() {
            return;
        }
        for place in self.entries.places(|entry| entry.topic == topic && entry.parked.is_none()) {
            self.forget(place);
        }
        self.purge();
        if let Some(progress) = self.progress(topic) {
            progress.seek(to);
        }
        self.saving.changed();
        self.saving.flush();
        self.list(topic);
    }

    /// A record has been read.
    fn take(&mut self, topic: TopicSlot, message: Message<R>, now: Duration) {
        let offset = message.offset;
        let Some(progress) = self.progress(topic) else { return };
        if offset < progress.fetch {
            return;
        }
        if offset > progress.fetch {
            self.gap(topic, offset);
        }
        let Some(progress) = self.progress(topic) else { return };
        progress.fetch = offset.next();
        if progress.is_settled(offset) {
            return;
        }
        if message.expires.is_some_and(|expires| expires <= now) {
            self.counters.expired += 1;
            self.settle_offset(topic, offset);
            return;
        }
        let due = message.due.filter(|due| *due > now);
        let place = self.enter(topic, message, Phase::Loading);
        match due {
            Some(due) => self.delay(place, due),
            None => self.admit(place),
        }
    }

    /// Gives a message a place.
    pub(super) fn enter(&mut self, topic: TopicSlot, message: Message<R>, phase: Phase) -> u32 {
        self.order += 1;
        let Message { offset, record, key, bytes, expires, .. } = message;
        let key = key.filter(|_| self.keyed());
        let (order, stamp) = (self.order, self.next_stamp());
        let record = Some(record);
        self.entries.insert(Entry {
            topic,
            offset,
            order,
            record,
            key,
            bytes,
            expires,
            phase,
            stamp,
            failures: None,
            suspect: false,
            parked: None,
            going: self.exhausted,
        })
    }

    /// Records from the next one to be read up to an offset are gone.
    fn gap(&mut self, topic: TopicSlot, to: Offset) {
        let Some(progress) = self.progress(topic) else { return };
        let from = progress.fetch;
        progress.skip(from, to);
        progress.fetch = to;
        self.counters.gap += to.since(from);
        self.saving.changed();
    }

    pub(super) fn list(&mut self, topic: TopicSlot) {
        let Some(progress) = self.progress(topic) else { return };
        if progress.is_behind() && !progress.fetching && !progress.listed {
            progress.listed = true;
            self.hungry.push_back(topic);
        }
    }

    /// How many new messages are kept ready.
    pub(super) fn buffer(&self) -> usize {
        let usual = (self.window as usize).clamp(*BUFFER.start(), *BUFFER.end());
        // With keys each consumer has its own part.
        if self.keyed() { usual.max(4 * self.members.len()) } else { usual }
    }

    fn room(&self) -> usize {
        self.buffer().saturating_sub(self.fresh)
    }
}
