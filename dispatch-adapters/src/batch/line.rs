use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dispatch_core::policy::{Batch, BatchPolicy};

/// Items on their way through a batch: what is being collected, what waits for its turn, what has been sent.
///
/// - Batches are numbered as they are closed, and leave in that order.
/// - An item is inside from [`push`](Self::push) until its batch is [`finished`](Self::finished) or it is
///   [taken back](Self::take_back); it may have its answer long before.
#[derive(Debug)]
pub(super) struct Line<T> {
    batch: Batch<T>,
    ready: VecDeque<(u64, Vec<T>)>,
    /// The number of the last batch that was closed.
    last: u64,
    /// Sizes of the closed batches that have no result yet.
    unfinished: BTreeMap<u64, usize>,
    inside: usize,
}

impl<T> Line<T> {
    pub(super) fn new(policy: BatchPolicy) -> Self {
        Self {
            batch: Batch::new(policy),
            ready: VecDeque::new(),
            last: 0,
            unfinished: BTreeMap::new(),
            inside: 0,
        }
    }

    pub(super) fn push(&mut self, item: T, now: Duration) {
        self.inside += 1;
        let full = self.batch.push(item, now);
        self.close(full.unwrap_or_default());
    }

    /// Closes what is being collected; the number of the last closed batch.
    pub(super) fn cut(&mut self) -> u64 {
        let items = self.batch.take();
        self.close(items);
        self.last
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.batch.due()
    }

    /// Whether there is a batch to send.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next batch to send, with its number.
    pub(super) fn next(&mut self) -> Option<(u64, Vec<T>)> {
        self.ready.pop_front()
    }

    /// The batch of that number has its results.
    pub(super) fn finished(&mut self, number: u64) {
        self.inside -= self.unfinished.remove(&number).unwrap_or_default();
    }

    /// Whether every batch up to that number has its results.
    pub(super) fn is_past(&self, number: u64) -> bool {
        self.unfinished.keys().next().is_none_or(|first| *first > number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside == 0
    }

    /// The item that has waited longest of those that have not been sent.
    pub(super) fn first(&self) -> Option<&T> {
        self.ready.front().and_then(|(_, items)| items.first()).or_else(|| self.batch.first())
    }

    /// Takes back some of the items that have not been sent; the others stay, in their order.
    pub(super) fn extract(&mut self, mut which: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut back = Vec::new();
        for (number, items) in &mut self.ready {
            back.extend(items.extract_if(.., |item| which(item)));
            if items.is_empty() {
                self.unfinished.remove(number);
            } else {
                self.unfinished.insert(*number, items.len());
            }
        }
        self.ready.retain(|(_, items)| !items.is_empty());
        back.extend(self.batch.extract(which));
        self.inside -= back.len();
        back
    }

    /// Whether there is anything that has not been sent.
    pub(super) fn has_unsent(&self) -> bool {
        !(self.batch.is_empty() && self.ready.is_empty())
    }

    /// Takes back the youngest items that have not been sent, so many or all of them.
    pub(super) fn take_back(&mut self, count: usize) -> Vec<T> {
        let back: Vec<_> =
            std::iter::from_fn(|| self.batch.pop().or_else(|| self.pop_ready())).take(count).collect();
        self.inside -= back.len();
        back
    }

    fn pop_ready(&mut self) -> Option<T> {
        let (number, items) = self.ready.back_mut()?;
        let item = items.pop()?;
        if items.is_empty() {
            self.unfinished.remove(number);
            self.ready.pop_back();
        } else {
            self.unfinished.insert(*number, items.len());
        }
        Some(item)
    }

    fn close(&mut self, items: Vec<T>) {
        if !items.is_empty() {
            self.last += 1;
            self.unfinished.insert(self.last, items.len());
            self.ready.push_back((self.last, items));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_leaves_in_order_or_is_taken_back_from_the_end(
            ops in prop::collection::vec(0u8..7, 0..200), max_size in 1usize..5,
        ) {
            let policy = BatchPolicy { max_size, max_age: Duration::from_secs(1) };
            let (mut line, mut next) = (Line::new(policy), 0usize);
            let (mut sent, mut out, mut back) = (Vec::new(), VecDeque::new(), Vec::new());
            for op in ops {
                match op {
                    0..=2 => {
                        line.push(next, Duration::ZERO);
                        next += 1;
                    }
                    3 => if let Some((number, items)) = line.next() {
                        prop_assert!((1..=max_size).contains(&items.len()));
                        out.push_back((number, items.len()));
                        sent.extend(items);
                    },
                    4 => if let Some((number, _)) = out.pop_front() {
                        line.finished(number);
                        prop_assert!(line.is_past(number));
                    },
                    5 => back.extend(line.extract(|item| item % 3 == 0)),
                    _ => {
                        let youngest = line.take_back(max_size);
                        prop_assert!(youngest.is_sorted_by(|a, b| a > b));
                        back.extend(youngest);
                    }
                }
            }
            line.cut();
            while let Some((number, items)) = line.next() {
                out.push_back((number, items.len()));
                sent.extend(items);
            }
            prop_assert!(sent.is_sorted());
            out.iter().for_each(|(number, _)| line.finished(*number));
            prop_assert!(line.is_empty() && line.is_past(u64::MAX - 1));
            sent.extend(back);
            sent.sort_unstable();
            prop_assert_eq!(sent, (0..next).collect::<Vec<_>>());
        }
    }
}
