//! The state of an at-most-once subscription: its consumers, and whose turn it is.

use super::members::Members;
use super::status::Counters;
use super::{ConsumerId, MessageKey, SubscriptionType};

/// An at-most-once subscription: who gets what has just been published.
///
/// - A message goes to a consumer that has room for it, or to nobody; nobody waits for anything.
/// - What goes to nobody is counted, by the reason.
///
/// ```
/// use dispatch_core::subscription::{ConsumerId, LiveState, SubscriptionType};
///
/// let mut live = LiveState::new(SubscriptionType::Shared);
/// live.add(ConsumerId(1), None);
/// live.add(ConsumerId(2), None);
/// assert_eq!(live.pick(None, |_| true), Some(ConsumerId(1)));
/// assert_eq!(live.pick(None, |consumer| consumer == ConsumerId(1)), Some(ConsumerId(1)), "the other one is full");
/// assert_eq!(live.pick(None, |_| false), None);
/// assert_eq!(live.counters().full, 1);
/// ```
#[derive(Debug)]
pub struct LiveState {
    kind: SubscriptionType,
    members: Members<()>,
    counters: Counters,
}

impl LiveState {
    /// A subscription without consumers.
    #[must_use]
    pub fn new(kind: SubscriptionType) -> Self {
        Self { kind, members: Members::new(kind), counters: Counters::default() }
    }

    /// Adds a consumer, with a pattern of the keys it takes; `false` if there must not be another one. Ids ascend.
    pub fn add(&mut self, consumer: ConsumerId, keys: Option<&str>) -> bool {
        self.members.add(consumer, keys, ())
    }

    /// Takes a consumer out; `false` if it was not there.
    pub fn remove(&mut self, consumer: ConsumerId) -> bool {
        self.members.remove(consumer).is_some()
    }

    /// Gives a consumer nothing for now, or again.
    pub fn pause(&mut self, consumer: ConsumerId, paused: bool) {
        if let Some(member) = self.members.get_mut(consumer) {
            member.paused = paused;
        }
    }

    /// Who gets a message with this key, if anybody.
    pub fn pick(
        &mut self,
        key: Option<&MessageKey>,
        mut has_room: impl FnMut(ConsumerId) -> bool,
    ) -> Option<ConsumerId> {
        if self.members.served() == 0 {
            self.counters.no_consumer += 1;
            return None;
        }
        let found = match key.filter(|_| self.kind == SubscriptionType::KeyShared) {
            Some(key) => {
                let Some(owner) = self.members.owner(key) else {
                    self.counters.unroutable += 1;
                    return None;
                };
                let ready = self.members.get_mut(owner).is_some_and(|member| !member.paused);
                (ready && has_room(owner)).then_some(owner)
            }
            None => self.members.next(|member| has_room(member.id)).map(|member| member.id),
        };
        match found {
            Some(_) => self.counters.delivered += 1,
            None => self.counters.full += 1,
        }
        found
    }

    /// Consumers that are connected.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.members.len()
    }

    /// The consumer that is served, of a type that serves one.
    #[must_use]
    pub fn active(&self) -> Option<ConsumerId> {
        if self.kind.is_ordered() { self.members.active() } else { None }
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}
