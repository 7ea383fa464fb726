use std::collections::{BTreeMap, VecDeque};

/// Messages that may be delivered: those that come again first, then new ones, both in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lane {
    again: BTreeMap<u64, u32>,
    fresh: VecDeque<(u64, u32)>,
}

impl Lane {
    pub(super) fn push_again(&mut self, order: u64, place: u32) {
        self.again.insert(order, place);
    }

    pub(super) fn push_fresh(&mut self, order: u64, place: u32) {
        self.fresh.push_back((order, place));
    }

    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn has(&self, fresh_too: bool) -> bool {
        !self.again.is_empty() || (fresh_too && !self.fresh.is_empty())
    }

    /// The next one of two lanes.
    pub(super) fn pop_first(a: &mut Self, b: &mut Self, fresh_too: bool) -> Option<u32> {
        let order = |lane: &Self| lane.again.first_key_value().map(|(order, _)| *order);
        let lane = match (order(a), order(b)) {
            (Some(first), Some(second)) if first < second => Some(&mut *a),
            (Some(_), None) => Some(&mut *a),
            (_, Some(_)) => Some(&mut *b),
            (None, None) => None,
        };
        if let Some(lane) = lane {
            return lane.again.pop_first().map(|(_, place)| place);
        }
        if !fresh_too {
            return None;
        }
        let order = |lane: &Self| lane.fresh.front().map(|(order, _)| *order);
        let lane = match (order(a), order(b)) {
            (Some(first), Some(second)) if first < second => a,
            (Some(_), None) => a,
            _ => b,
        };
        lane.fresh.pop_front().map(|(_, place)| place)
    }

    /// Keeps those that a condition holds for.
    pub(super) fn retain(&mut self, holds: impl Fn(u32) -> bool) {
        self.again.retain(|_, place| holds(*place));
        self.fresh.retain(|(_, place)| holds(*place));
    }
}
