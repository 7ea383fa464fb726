use std::collections::{BTreeSet, VecDeque};

use super::SubscriptionState;
use super::entries::Phase;
use super::lane::Lane;
use crate::subscription::{ConsumerId, DeliveryToken, Effect};

/// What is kept beside a consumer.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) in_flight: u32,
    /// The numbers of its deliveries that it has not answered, and whose time is over.
    pub(super) overdue: BTreeSet<u64>,
    /// Messages of its keys.
    pub(super) lane: Lane,
    /// More of them, which come into the lane when there is room.
    pub(super) queued: VecDeque<u32>,
    /// Records that are being read for the lane.
    pub(super) loading: usize,
}

impl<R: Clone> SubscriptionState<R> {
    pub(super) fn add_consumer(
        &mut self,
        consumer: ConsumerId,
        keys: Option<&str>,
        effects: &mut Vec<Effect<R>>,
    ) {
        if !self.members.add(consumer, keys, Beside::default()) {
            effects.push(Effect::Refused(consumer));
            return;
        }
        self.share_out();
    }

    pub(super) fn consumer_gone(&mut self, consumer: ConsumerId) {
        let was_active = self.active() == Some(consumer);
        if self.members.remove(consumer).is_some() {
            self.hand_over(consumer, was_active);
        }
    }

    pub(super) fn consumer_down(&mut self, consumer: ConsumerId) {
        let was_active = self.active() == Some(consumer);
        if self.members.set_down(consumer, true) {
            if let Some(member) = self.members.get_mut(consumer) {
                member.beside.overdue = BTreeSet::new();
            }
            self.hand_over(consumer, was_active);
        }
    }

    pub(super) fn consumer_up(&mut self, consumer: ConsumerId) {
        if self.members.set_down(consumer, false) {
            self.share_out();
        }
    }

    /// What a consumer has goes to others; it costs no attempt. Whoever is the next owner of all of it, here or elsewhere,
    /// finds the cursor saved.
    fn hand_over(&mut self, consumer: ConsumerId, was_active: bool) {
        if was_active || self.members.served() == 0 {
            self.saving.flush();
        }
        let had = self.entries.places(|entry| entry.phase == Phase::InFlight(consumer));
        for place in had {
            // Its time to answer ends with the delivery: nobody has it now, so nobody can be late.
            let stamp = self.next_stamp();
            if let Some(entry) = self.entries.get_mut(place) {
                entry.stamp = stamp;
            }
            self.set_phase(place, Phase::Ready);
            if self.key_of(place).is_none()
                && let Some(order) = self.entries.get(place).map(|entry| entry.order)
            {
                self.common.push_again(order, place);
            }
        }
        self.share_out();
    }

    /// A consumer has answered a delivery whose time was over, or never will.
    pub(super) fn not_overdue(&mut self, token: &DeliveryToken) {
        if let Some(member) = self.members.get_mut(token.consumer) {
            member.beside.overdue.remove(&token.stamp);
        }
    }

    pub(super) fn pause_consumer(&mut self, consumer: ConsumerId, paused: bool) {
        if let Some(member) = self.members.get_mut(consumer) {
            member.paused = paused;
        }
    }

    /// Gives every message with a key that may be delivered to the consumer that has the key now.
    fn share_out(&mut self) {
        if !self.keyed() {
            return;
        }
        for member in self.members.iter_mut() {
            let Beside { in_flight, overdue, .. } = std::mem::take(&mut member.beside);
            member.beside = Beside { in_flight, overdue, ..Beside::default() };
        }
        // Without consumers they wait in no lane, until one comes.
        let free = self.entries.places(|entry| {
            entry.key.is_some() && matches!(entry.phase, Phase::Fresh | Phase::Ready | Phase::Queued)
        });
        for place in free {
            self.line_up(place);
        }
    }
}
