use super::SubscriptionState;
use crate::log::Offset;
use crate::subscription::TopicSlot;

impl<R: Clone> SubscriptionState<R> {
    /// A log has lost its end. What is known from there on is about records that are gone; others come under their offsets,
    /// and are new.
    pub(super) fn end_fell(&mut self, topic: TopicSlot, end: Offset) {
        if self.progress(topic).is_none_or(|progress| progress.head <= end) {
            return;
        }
        let is_gone = |offset: Offset| offset >= end;
        let gone = self
            .entries
            .places(|entry| entry.topic == topic && is_gone(entry.offset) && entry.parked.is_none());
        for place in gone {
            self.forget(place);
        }
        self.purge();
        if let Some(progress) = self.progress(topic) {
            self.counters.gap += progress.cut(end);
        }
        self.saving.changed();
        self.saving.flush();
        self.list(topic);
    }
}
