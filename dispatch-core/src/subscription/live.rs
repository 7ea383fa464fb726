//! The state of an at-most-once subscription: its consumers, and whose turn it is.
//!
//! ```text
//!                     its time has not come ┌────────┐ due
//!                ┌─────────────────────────►│ later  ├──────────┐
//!   published ───┤                          └───┬────┘          ▼
//!                └───────────────────────────── │ ────────►  offered ──► a consumer with room ──► delivered
//!                                               │              │
//!         too old, or too many wait             ▼              ▼ nobody there, all full, paused, no taker of its key
//!                └──────────────────────►    dropped, and counted by its reason
//! ```

use std::time::Duration;

use super::members::Members;
use super::status::Counters;
use super::{ConsumerId, MessageKey, SubscriptionConfig, SubscriptionType};

/// An at-most-once subscription: who gets what has just been published.
///
/// - A message goes to a consumer that has room for it, or to nobody. Only one whose time has not come waits.
/// - What goes to nobody is counted, by the reason.
///
/// ```
/// use dispatch_core::subscription::{ConsumerId, LiveState, SubscriptionConfig, SubscriptionType};
///
/// let mut live = LiveState::new(&SubscriptionConfig::new("screen", "shop.**").of_type(SubscriptionType::Shared));
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
    paused: bool,
    /// Messages whose time has not come.
    aside: usize,
    max_aside: usize,
    counters: Counters,
}

/// What becomes of a message that has just been published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It may be given to somebody.
    Now,
    /// It waits until this time.
    Later(Duration),
    /// It is dropped, and was counted.
    Dropped,
}

impl LiveState {
    /// A subscription without consumers.
    #[must_use]
    pub fn new(config: &SubscriptionConfig) -> Self {
        let (kind, max_aside) = (config.kind, config.max_aside);
        let (members, counters) = (Members::new(kind), Counters::default());
        Self { kind, members, paused: false, aside: 0, max_aside, counters }
    }

    /// A message has been published that is not to be delivered before one time, and not from another one on.
    pub fn arrived(&mut self, due: Option<Duration>, expires: Option<Duration>, now: Duration) -> Arrival {
        if self.is_too_old(expires, now) {
            return Arrival::Dropped;
        }
        match due.filter(|due| *due > now) {
            None => Arrival::Now,
            Some(_) if self.aside >= self.max_aside => {
                self.counters.aside_full += 1;
                Arrival::Dropped
            }
            Some(due) => {
                self.aside += 1;
                Arrival::Later(due)
            }
        }
    }

    /// The time has come for a message that was to wait; `false` if it is dropped because it is too old by now.
    pub fn came_due(&mut self, expires: Option<Duration>, now: Duration) -> bool {
        self.aside = self.aside.saturating_sub(1);
        !self.is_too_old(expires, now)
    }

    fn is_too_old(&mut self, expires: Option<Duration>, now: Duration) -> bool {
        let old = expires.is_some_and(|expires| expires <= now);
        self.counters.expired += u64::from(old);
        old
    }

    /// Gives nobody anything for now, or again.
    pub const fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether nobody is given anything.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
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

    /// A consumer has died and will be started again, or is up again; it keeps its place meanwhile, and gets nothing.
    pub fn set_down(&mut self, consumer: ConsumerId, down: bool) {
        self.members.set_down(consumer, down);
    }

    /// Who gets a message with this key, if anybody.
    pub fn pick(
        &mut self,
        key: Option<&MessageKey>,
        mut has_room: impl FnMut(ConsumerId) -> bool,
    ) -> Option<ConsumerId> {
        if self.paused {
            self.counters.paused += 1;
            return None;
        }
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
                let ready = self.members.get_mut(owner).is_some_and(|member| member.is_ready());
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

    /// Messages whose time has not come.
    #[must_use]
    pub const fn aside(&self) -> usize {
        self.aside
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn live(max_aside: usize) -> LiveState {
        let mut config = SubscriptionConfig::new("s", "t");
        config.max_aside = max_aside;
        let mut live = LiveState::new(&config);
        live.add(ConsumerId(1), None);
        live
    }

    #[test]
    fn what_comes_while_it_is_paused_is_dropped_and_counted_as_that() {
        let mut live = live(1);
        live.set_paused(true);
        assert_eq!(live.arrived(None, None, s(1)), Arrival::Now);
        assert_eq!(live.pick(None, |_| true), None);
        live.set_paused(false);
        assert_eq!(live.pick(None, |_| true), Some(ConsumerId(1)));
        let expected = Counters { paused: 1, delivered: 1, ..Counters::default() };
        assert_eq!(live.counters(), expected);
    }

    #[test]
    fn no_more_wait_for_their_time_than_may() {
        let mut live = live(2);
        let later = |live: &mut LiveState| live.arrived(Some(s(9)), None, s(1));
        assert_eq!([later(&mut live), later(&mut live)], [Arrival::Later(s(9)); 2]);
        assert_eq!(later(&mut live), Arrival::Dropped);
        assert_eq!(live.arrived(Some(s(1)), None, s(1)), Arrival::Now, "its time has come");
        assert!(live.came_due(None, s(9)));
        assert_eq!((live.aside(), later(&mut live)), (1, Arrival::Later(s(9))));
        assert_eq!(live.counters(), Counters { aside_full: 1, ..Counters::default() });
    }

    #[test]
    fn what_is_too_old_when_it_comes_or_when_its_time_comes_is_expired() {
        let mut live = live(2);
        assert_eq!(live.arrived(None, Some(s(1)), s(1)), Arrival::Dropped);
        assert_eq!(live.arrived(Some(s(5)), Some(s(3)), s(1)), Arrival::Later(s(5)));
        assert!(!live.came_due(Some(s(3)), s(5)));
        assert_eq!((live.aside(), live.counters()), (0, Counters { expired: 2, ..Counters::default() }));
    }

    fn owner(live: &mut LiveState, key: &str) -> Option<ConsumerId> {
        live.pick(Some(&MessageKey::new(key)), |_| true)
    }

    fn keyed(consumers: u64) -> LiveState {
        let mut live =
            LiveState::new(&SubscriptionConfig::new("s", "t").of_type(SubscriptionType::KeyShared));
        (1..=consumers).for_each(|id| assert!(live.add(ConsumerId(id), None)));
        live
    }

    #[test]
    fn a_key_goes_to_one_consumer_and_moves_only_with_its_slot() {
        let mut live = keyed(2);
        let keys: Vec<_> = (0..300).map(|key| format!("key{key}")).collect();
        let owners = |live: &mut LiveState| keys.iter().map(|key| owner(live, key)).collect::<Vec<_>>();
        let two = owners(&mut live);
        assert_eq!(two, owners(&mut live));
        live.add(ConsumerId(3), None);
        let three = owners(&mut live);
        let moved = two.iter().zip(&three).filter(|(before, after)| before != after).count();
        assert!((60..=140).contains(&moved), "{moved} of 300 keys moved to the third consumer");
        assert!(
            two.iter().zip(&three).all(|(before, after)| before == after || *after == Some(ConsumerId(3)))
        );
        live.remove(ConsumerId(3));
        let left = three.iter().zip(owners(&mut live));
        assert!(left.into_iter().all(|(before, after)| *before == Some(ConsumerId(3)) || *before == after));
        assert_eq!(live.counters(), Counters { delivered: 1_200, ..Counters::default() });
    }

    #[test]
    fn what_its_owner_has_no_room_for_or_nobody_takes_is_dropped_and_not_given_to_another() {
        let mut live = keyed(2);
        let first = owner(&mut live, "k").unwrap();
        assert_eq!(live.pick(Some(&MessageKey::new("k")), |id| id != first), None, "it is full");
        live.pause(first, true);
        assert_eq!(owner(&mut live, "k"), None, "it is paused, and keeps its keys");
        live.pause(first, false);
        live.set_down(first, true);
        assert_ne!(owner(&mut live, "k"), Some(first), "it is down: another has its keys");
        assert_eq!(
            live.pick(None, |_| true),
            live.pick(None, |_| true),
            "what has no key goes round the others"
        );
        let expected = Counters { delivered: 4, full: 2, ..Counters::default() };
        assert_eq!(live.counters(), expected);

        let mut live = keyed(0);
        live.add(ConsumerId(1), Some("eu-*"));
        assert_eq!(owner(&mut live, "eu-1"), Some(ConsumerId(1)));
        assert_eq!(owner(&mut live, "us-1"), None);
        assert_eq!(live.counters(), Counters { delivered: 1, unroutable: 1, ..Counters::default() });
    }
}
