//! Collects items until there are enough of them, or the first has waited long enough.
//!
//! - A batch is never larger than `max_size`.
//! - No item waits longer than `max_age`, if the batch is taken when it is [`due`](Batch::due).
//! - Items leave in the order they came; none is dropped.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::millis;
use crate::error::{ErrorCode, Problem};

/// When a batch is full, and when it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchPolicy {
    /// Most items; 1 to 100,000.
    pub max_size: usize,
    /// Longest time the first item waits for others; in milliseconds where it is serialised.
    #[serde(rename = "max_age_ms", with = "millis")]
    pub max_age: Duration,
}

impl Default for BatchPolicy {
    /// 100 items or 5 s, whichever comes first.
    fn default() -> Self {
        Self { max_size: 100, max_age: Duration::from_secs(5) }
    }
}

impl BatchPolicy {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| {
            problems.push(Problem::new(ErrorCode::InvalidParameter, format!("batch: {text}")));
        };
        if !(1..=100_000).contains(&self.max_size) {
            add(format!("max_size is {}: use 1 to 100000", self.max_size));
        }
        if self.max_age.is_zero() || self.max_age > Duration::from_secs(3600) {
            add(format!("max_age is {:?}: use 1 ms to 1 h", self.max_age));
        }
        problems
    }
}

/// A batch that is being collected.
#[derive(Debug)]
pub struct Batch<T> {
    policy: BatchPolicy,
    items: Vec<T>,
    /// When the first item came.
    since: Duration,
}

impl<T> Batch<T> {
    /// An empty batch.
    #[must_use]
    pub fn new(policy: BatchPolicy) -> Self {
        Self { policy, items: Vec::new(), since: Duration::ZERO }
    }

    /// Adds an item at `now`, a time on a monotonic clock; the items, if they are enough.
    #[must_use = "these items have left the batch"]
    pub fn push(&mut self, item: T, now: Duration) -> Option<Vec<T>> {
        if self.items.is_empty() {
            self.since = now;
        }
        self.items.push(item);
        (self.items.len() >= self.policy.max_size).then(|| self.take())
    }

    /// When the batch has to be taken; `None` while it is empty.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        (!self.items.is_empty()).then(|| self.since.saturating_add(self.policy.max_age))
    }

    /// The items, if they have waited long enough.
    #[must_use = "these items have left the batch"]
    pub fn take_due(&mut self, now: Duration) -> Option<Vec<T>> {
        self.due().is_some_and(|due| due <= now).then(|| self.take())
    }

    /// Whatever there is.
    #[must_use = "these items have left the batch"]
    pub fn take(&mut self) -> Vec<T> {
        let capacity = self.items.len();
        std::mem::replace(&mut self.items, Vec::with_capacity(capacity))
    }

    /// Takes some of the items back; the others stay, in their order.
    pub fn extract(&mut self, mut which: impl FnMut(&T) -> bool) -> Vec<T> {
        self.items.extract_if(.., |item| which(item)).collect()
    }

    /// The item that came first.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.items.first()
    }

    /// Takes back the item that came last.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    /// Items that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_too_large_never_too_old_in_order_and_complete(
            gaps in prop::collection::vec(0u64..40, 1..200), max_size in 1usize..8, max_age in 1u64..100,
        ) {
            let policy = BatchPolicy { max_size, max_age: Duration::from_millis(max_age) };
            let (mut batch, mut now, mut left) = (Batch::new(policy), 0u64, Vec::new());
            let mut leave = |items: Vec<(usize, u64)>, now: u64| {
                assert!((1..=max_size).contains(&items.len()));
                assert!(items.iter().all(|(_, came)| now - came <= max_age));
                left.extend(items.into_iter().map(|(number, _)| number));
            };
            for (number, gap) in gaps.iter().enumerate() {
                let arrival = now + gap;
                if let Some(due) = batch.due().map(|due| due.as_millis() as u64).filter(|due| *due <= arrival) {
                    leave(batch.take_due(Duration::from_millis(due)).unwrap(), due);
                }
                now = arrival;
                if let Some(items) = batch.push((number, now), Duration::from_millis(now)) {
                    leave(items, now);
                }
            }
            left.extend(batch.take().into_iter().map(|(number, _)| number));
            prop_assert!(batch.is_empty() && batch.due().is_none());
            prop_assert_eq!(left, (0..gaps.len()).collect::<Vec<_>>());
        }
    }
}
