//! What the parent has written down.

use std::collections::{BTreeSet, HashMap};

use crate::said::{Said, Who};

/// Everything that pipelines have said.
#[derive(Default)]
pub(crate) struct Tally {
    /// Events whose publishing was acknowledged; they are published in order, so these are the first ones.
    acknowledged: u64,
    offsets: BTreeSet<u64>,
    by: [Handled; 3],
}

/// What one subscription has handled.
#[derive(Default)]
pub(crate) struct Handled {
    offsets: BTreeSet<u64>,
    numbers: BTreeSet<u64>,
    last_of: HashMap<String, u64>,
    /// Orders that were handled before.
    pub(crate) duplicates: u64,
    /// Orders that came for the first time after a later one.
    pub(crate) behind: u64,
    /// The same among the orders of one customer.
    pub(crate) behind_of_customer: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, said: Said) {
        match said {
            Said::Published { first, offsets } => {
                self.acknowledged = self.acknowledged.max(first + offsets.len() as u64);
                self.offsets.extend(offsets);
            }
            Said::Handled { by, offset, number, customer } => {
                self.by[by as usize].add(offset, number, customer);
            }
            Said::Lag(_) => {}
        }
    }

    /// Events whose publishing was acknowledged.
    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Orders that were handled, by each of the three, once each.
    pub(crate) fn handled(&self) -> u64 {
        self.by.iter().map(Handled::count).sum()
    }

    pub(crate) const fn of(&self, who: Who) -> &Handled {
        &self.by[who as usize]
    }

    /// Orders that were acknowledged to the publisher, and that one has not handled.
    pub(crate) fn missing(&self, who: Who) -> u64 {
        self.offsets.difference(&self.of(who).offsets).count() as u64
    }
}

impl Handled {
    fn add(&mut self, offset: u64, number: u64, customer: String) {
        let later = self.offsets.last().is_some_and(|last| *last > offset);
        if !self.offsets.insert(offset) {
            self.duplicates += 1;
            return;
        }
        self.numbers.insert(number);
        self.behind += u64::from(later);
        let last = self.last_of.entry(customer).or_insert(offset);
        self.behind_of_customer += u64::from(*last > offset);
        *last = offset.max(*last);
    }

    /// Orders that were handled, once each.
    pub(crate) fn count(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Different events among them.
    pub(crate) fn events(&self) -> u64 {
        self.numbers.len() as u64
    }
}
