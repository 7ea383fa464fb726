//! The consumers of a subscription, and whose turn it is.
//!
//! - They are in the order in which they came; their ids ascend.
//! - A turn goes to the next one after the one served last, by id, so a change of members skips nobody and serves
//!   nobody twice.
//! - Of an exclusive or failover subscription only the first that is ready is ever served.
//! - One that is down keeps its place in the order, and gives its keys away until it is up.

use wildmatch::WildMatch;

use super::slots::SlotTable;
use super::token::mix;
use super::{ConsumerId, MessageKey, SubscriptionType};

/// The consumers, each with what the subscription keeps beside it.
#[derive(Debug)]
pub(super) struct Members<X> {
    kind: SubscriptionType,
    list: Vec<Member<X>>,
    last: Option<ConsumerId>,
    slots: SlotTable,
}

/// A consumer.
#[derive(Debug)]
pub(super) struct Member<X> {
    pub(super) id: ConsumerId,
    pub(super) paused: bool,
    down: bool,
    pub(super) beside: X,
    /// Keys that it takes; all of them if there is no pattern.
    keys: Option<WildMatch>,
    /// Its place in the slot table; only with keys.
    seat: Option<u16>,
}

impl<X> Member<X> {
    /// Whether it may be served.
    pub(super) const fn is_ready(&self) -> bool {
        !self.paused && !self.down
    }

    fn takes(&self, key: &MessageKey) -> bool {
        self.keys.as_ref().is_none_or(|pattern| pattern.matches(key.text()))
    }
}

impl<X> Members<X> {
    pub(super) const fn new(kind: SubscriptionType) -> Self {
        let slots = SlotTable::EMPTY;
        Self { kind, list: Vec::new(), last: None, slots }
    }

    /// Adds a consumer at the end; `false` if there must not be another one.
    pub(super) fn add(&mut self, id: ConsumerId, keys: Option<&str>, beside: X) -> bool {
        let taken = self.kind == SubscriptionType::Exclusive && !self.list.is_empty();
        if taken || self.list.last().is_some_and(|last| last.id >= id) {
            return false;
        }
        let with_keys = self.kind == SubscriptionType::KeyShared;
        let seat = if with_keys { self.slots.sit_down() } else { None };
        let keys = keys.filter(|_| with_keys).map(WildMatch::new);
        if self.list.is_empty() {
            // Most have one.
            self.list.reserve_exact(1);
        }
        self.list.push(Member { id, paused: false, down: false, beside, keys, seat });
        true
    }

    /// Takes a consumer out.
    pub(super) fn remove(&mut self, id: ConsumerId) -> Option<X> {
        let index = self.index(id)?;
        let member = self.list.remove(index);
        if let Some(seat) = member.seat {
            self.slots.stand_up(seat);
        }
        Some(member.beside)
    }

    /// A consumer is down, or up again; `false` if it was so already, or is not there.
    pub(super) fn set_down(&mut self, id: ConsumerId, down: bool) -> bool {
        let with_keys = self.kind == SubscriptionType::KeyShared;
        let index = self.index(id);
        let Some(member) = index.and_then(|index| self.list.get_mut(index)) else { return false };
        if std::mem::replace(&mut member.down, down) == down {
            return false;
        }
        if let Some(seat) = member.seat.take() {
            self.slots.stand_up(seat);
        }
        if with_keys && !down {
            member.seat = self.slots.sit_down();
        }
        true
    }

    pub(super) fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Member<X>> {
        let index = self.index(id)?;
        self.list.get_mut(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member<X>> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member<X>> {
        self.list.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many may be served now.
    pub(super) fn served(&self) -> usize {
        let ready = self.list.iter().filter(|member| member.is_ready()).count();
        if self.kind.is_ordered() { ready.min(1) } else { ready }
    }

    /// The consumer that is served, of a type that serves one.
    pub(super) fn active(&self) -> Option<ConsumerId> {
        self.list.iter().find(|member| member.is_ready()).map(|member| member.id)
    }

    /// The next consumer in turn that can take something; it has had its turn then.
    pub(super) fn next(&mut self, mut can: impl FnMut(&mut Member<X>) -> bool) -> Option<&mut Member<X>> {
        let mut fits = |member: &mut Member<X>| member.is_ready() && can(member);
        let found = if self.kind.is_ordered() {
            let first = self.list.iter().position(Member::is_ready)?;
            self.list.get_mut(first).is_some_and(&mut fits).then_some(first)
        } else {
            let begin = match self.last {
                Some(last) => self.list.partition_point(|member| member.id <= last),
                None => 0,
            };
            let (before, after) = self.list.split_at_mut(begin);
            let later = after.iter_mut().position(&mut fits).map(|index| begin + index);
            later.or_else(|| before.iter_mut().position(fits))
        };
        let member = self.list.get_mut(found?)?;
        self.last = Some(member.id);
        Some(member)
    }

    /// Who was served last.
    pub(super) const fn turn(&self) -> Option<ConsumerId> {
        self.last
    }

    /// Sets who was served last.
    pub(super) const fn set_turn(&mut self, last: Option<ConsumerId>) {
        self.last = last;
    }

    /// The consumer that has a key; `None` if nobody takes it.
    pub(super) fn owner(&self, key: &MessageKey) -> Option<ConsumerId> {
        let seat = self.slots.owner(key.hash());
        let owner = self.list.iter().find(|member| member.seat.is_some() && member.seat == seat);
        if let Some(owner) = owner
            && owner.takes(key)
        {
            return Some(owner.id);
        }
        // Of those that take the key, the one that the hash of both together points to; one that is down only if all
        // are, for what waits for it is not to be skipped.
        let takers = self.list.iter().filter(|member| member.takes(key));
        takers.max_by_key(|member| (!member.down, mix(key.hash() ^ mix(member.id.0)))).map(|member| member.id)
    }

    fn index(&self, id: ConsumerId) -> Option<usize> {
        self.list.binary_search_by_key(&id, |member| member.id).ok()
    }
}
