use std::time::Duration;

use dispatch_core::subscription::ConsumerId;

use super::Handle;
use crate::bus::subscription::ConsumerInfo;

/// A connected consumer, and what its subscription keeps beside it.
pub(in crate::bus) struct Connected<X> {
    pub(in crate::bus) name: String,
    pub(in crate::bus) handle: Handle,
    pub(in crate::bus) beside: X,
}

/// The consumers of a subscription.
///
/// - Their ids ascend, in the order in which they came.
/// - Once in a heartbeat it is looked whether actors are still there: the only way to notice the death of one that has
///   no messages.
pub(in crate::bus) struct Consumers<X> {
    list: Vec<(ConsumerId, Connected<X>)>,
    last: u64,
    heartbeat: Duration,
    next_beat: Option<Duration>,
}

impl<X> Consumers<X> {
    pub(in crate::bus) const fn new(heartbeat: Duration) -> Self {
        Self { list: Vec::new(), last: 0, heartbeat, next_beat: None }
    }

    /// The id of the consumer that comes next.
    pub(in crate::bus) const fn next_id(&mut self) -> ConsumerId {
        self.last += 1;
        ConsumerId(self.last)
    }

    /// Adds the consumer with this id, which is the greatest so far.
    pub(in crate::bus) fn add(&mut self, id: ConsumerId, consumer: Connected<X>, now: Duration) {
        if self.next_beat.is_none() && consumer.handle.may_die() {
            self.next_beat = Some(now + self.heartbeat);
        }
        if self.list.is_empty() {
            // Most have one.
            self.list.reserve_exact(1);
        }
        self.list.push((id, consumer));
    }

    pub(in crate::bus) fn remove(&mut self, id: ConsumerId) -> Option<Connected<X>> {
        let index = self.index(id)?;
        Some(self.list.remove(index).1)
    }

    pub(in crate::bus) fn get(&self, id: ConsumerId) -> Option<&Connected<X>> {
        self.list.get(self.index(id)?).map(|(_, consumer)| consumer)
    }

    pub(in crate::bus) fn iter(&self) -> impl Iterator<Item = &Connected<X>> {
        self.list.iter().map(|(_, consumer)| consumer)
    }

    pub(in crate::bus) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::bus) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// When it has to be looked again.
    pub(in crate::bus) const fn next_beat(&self) -> Option<Duration> {
        self.next_beat
    }

    /// If it is time to look: those that are dead.
    pub(in crate::bus) fn found_dead(&mut self, now: Duration) -> Vec<ConsumerId> {
        if self.next_beat.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mortal = self.list.iter().any(|(_, it)| it.handle.may_die() && it.handle.is_connected());
        self.next_beat = mortal.then(|| now + self.heartbeat);
        self.list.iter().filter(|(_, consumer)| !consumer.handle.is_connected()).map(|(id, _)| *id).collect()
    }

    /// How they are; `active` is the one that is served, of a type that serves one.
    pub(in crate::bus) fn info(&self, active: Option<ConsumerId>) -> Vec<ConsumerInfo> {
        let info = |(id, consumer): &(ConsumerId, Connected<X>)| ConsumerInfo {
            id: *id,
            name: consumer.name.clone(),
            active: active == Some(*id),
        };
        self.list.iter().map(info).collect()
    }

    fn index(&self, id: ConsumerId) -> Option<usize> {
        self.list.binary_search_by_key(&id, |(id, _)| *id).ok()
    }
}
