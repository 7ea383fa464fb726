use std::time::Duration;

use super::SubscriptionState;
use super::entries::Phase;

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
}
