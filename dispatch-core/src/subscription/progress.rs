//! How far a subscription has come in one topic.
//!
//! - `next` is the first offset that is not settled. It only grows, unless somebody seeks, or the log has lost its end.
//! - What is settled above it is remembered as ranges; there are never more of these than messages between them.
//! - `fetch` is the first offset that has not been read; everything between `next` and `fetch` is settled or known.

use crate::log::{Offset, OffsetRanges};

#[derive(Debug, Default)]
pub(super) struct Progress {
    next: Offset,
    settled: OffsetRanges,
    /// The first offset that has not been read.
    pub(super) fetch: Offset,
    /// The next offset that the log will assign, as far as is known.
    pub(super) head: Offset,
    /// A read is under way.
    pub(super) fetching: bool,
    /// It stands in the list of topics to read from.
    pub(super) listed: bool,
    /// Something was settled since it was saved.
    pub(super) dirty: bool,
    /// Counts the seeks, and the ends that were lost: what was read before one is not used after it.
    pub(super) epoch: u32,
}

impl Progress {
    pub(super) fn at(next: Offset, settled: OffsetRanges, head: Offset) -> Self {
        let mut progress = Self { next, settled, fetch: next, head: head.max(next), ..Self::default() };
        progress.settled.forget_below(next);
        progress.advance();
        progress.fetch = progress.next;
        progress
    }

    pub(super) const fn next(&self) -> Offset {
        self.next
    }

    pub(super) const fn settled(&self) -> &OffsetRanges {
        &self.settled
    }

    pub(super) fn is_settled(&self, offset: Offset) -> bool {
        offset < self.next || self.settled.contains(offset)
    }

    /// How far the cursor is behind the head. What is settled out of order counts until the cursor has passed it.
    pub(super) const fn lag(&self) -> u64 {
        self.head.since(self.next)
    }

    pub(super) fn is_behind(&self) -> bool {
        self.fetch < self.head
    }

    pub(super) fn settle(&mut self, offset: Offset) {
        self.dirty = true;
        if offset == self.next {
            self.next = offset.next();
            self.advance();
        } else if offset > self.next {
            self.settled.insert(offset);
        }
    }

    /// Settles everything from one offset up to another, which is not there any more.
    pub(super) fn skip(&mut self, from: Offset, to: Offset) {
        self.dirty = true;
        if from <= self.next {
            self.next = self.next.max(to);
            self.settled.forget_below(self.next);
            self.advance();
        } else {
            self.settled.insert_range(from..to);
        }
    }

    /// Goes somewhere else; what was known is forgotten.
    pub(super) fn seek(&mut self, to: Offset) {
        self.next = to;
        self.fetch = to;
        self.settled = OffsetRanges::default();
        self.head = self.head.max(to);
        self.fetching = false;
        self.dirty = true;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Everything from an offset on is gone, and will be there again as something else; how much of it was not settled.
    pub(super) fn cut(&mut self, end: Offset) -> u64 {
        let settled = self.settled.len();
        self.settled.forget_from(end);
        let settled = settled - self.settled.len();
        let unsettled = self.head.since(self.next.max(end)).saturating_sub(settled);
        (self.next, self.fetch, self.head) = (self.next.min(end), self.fetch.min(end), end);
        self.fetching = false;
        self.dirty = true;
        self.epoch = self.epoch.wrapping_add(1);
        unsettled
    }

    fn advance(&mut self) {
        if let Some(end) = self.settled.take_from(self.next) {
            self.next = end;
        }
    }
}
