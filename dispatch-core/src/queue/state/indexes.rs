use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use uuid::Uuid;

use super::{Due, Shelf};
use crate::messenger::Name;
use crate::queue::StoredMessage;

/// What messages are found by, beside their ids and their ordering keys.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    pub(super) shelves: BTreeMap<Name, Shelf>,
    /// When leases end.
    pub(super) leases: BTreeSet<Due>,
    /// When messages were done or expired that are kept.
    pub(super) kept: BTreeSet<Due>,
}

impl Indexes {
    /// A message has come into its state.
    pub(super) fn add(&mut self, stored: &StoredMessage) {
        match self.shelves.get_mut(&stored.queue) {
            Some(shelf) => shelf.add(stored),
            None => self.shelves.entry(stored.queue.clone()).or_default().add(stored),
        }
        self.leases.extend(stored.lease.as_ref().map(|lease| (lease.until, stored.id)));
    }

    /// A message leaves its state.
    pub(super) fn remove(&mut self, stored: &StoredMessage) {
        if let Some(shelf) = self.shelves.get_mut(&stored.queue) {
            shelf.remove(stored);
        }
        if let Some(lease) = &stored.lease {
            self.leases.remove(&(lease.until, stored.id));
        }
        if let Some(settled_at) = stored.settled_at {
            self.kept.remove(&(settled_at, stored.id));
        }
    }

    /// The message of some queues that is to be taken next.
    pub(super) fn next<'a>(
        &self,
        queues: impl IntoIterator<Item = &'a Name>,
        now: SystemTime,
    ) -> Option<Uuid> {
        let first = |name| self.shelves.get(name)?.next(now);
        // The highest priority, of that the first that is due.
        let next = queues.into_iter().filter_map(first).min();
        next.map(|(_, (_, id))| id)
    }

    /// When the next message of some queues is due, or the next lease runs out.
    pub(super) fn next_due<'a>(&self, queues: impl IntoIterator<Item = &'a Name>) -> Option<SystemTime> {
        let due = queues.into_iter().filter_map(|name| self.shelves.get(name)?.next_due());
        due.chain(self.leases.first().map(|(until, _)| *until)).min()
    }
}
