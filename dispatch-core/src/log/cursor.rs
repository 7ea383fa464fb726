use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Offset;
use crate::topic::Topic;

/// How far a subscription has come in one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The topic.
    pub topic: Topic,
    /// The first offset that is not settled: everything below it is acknowledged or skipped.
    pub next: Offset,
    /// What is settled above it, so that it does not come again after a restart.
    #[serde(default, skip_serializing_if = "OffsetRanges::is_empty")]
    pub settled: OffsetRanges,
}

impl Cursor {
    /// A cursor with nothing settled above it.
    #[must_use]
    pub fn at(topic: Topic, next: Offset) -> Self {
        Self { topic, next, settled: OffsetRanges::default() }
    }
}

/// What a log keeps about a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSubscription {
    /// Its name.
    pub name: String,
    /// How it was opened, as JSON; the log does not look into it.
    pub definition: Value,
    /// Its cursors, one a topic.
    pub cursors: Vec<Cursor>,
}

/// A set of offsets, as ranges: in order, apart from each other, none of them empty.
///
/// ```
/// use dispatch_core::log::{Offset, OffsetRanges};
///
/// let mut settled = OffsetRanges::default();
/// for offset in [7, 5, 6, 9] {
///     assert!(settled.insert(Offset::new(offset)));
/// }
/// assert!(!settled.insert(Offset::new(6)), "it is in already");
/// assert_eq!(serde_json::to_string(&settled)?, "[[5,8],[9,10]]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct OffsetRanges(Vec<Range<u64>>);

impl OffsetRanges {
    /// Adds an offset; `false` if it was in already.
    pub fn insert(&mut self, offset: Offset) -> bool {
        let at = offset.get();
        // Ranges up to `after` begin at or below the offset. What comes last is mostly the greatest.
        let after = match self.0.last() {
            Some(last) if last.start <= at => self.0.len(),
            _ => self.0.partition_point(|range| range.start <= at),
        };
        let next = self.0.get(after).filter(|next| next.start == at + 1).map(|next| next.end);
        let before =
            after.checked_sub(1).and_then(|index| self.0.get_mut(index)).filter(|before| before.end >= at);
        match (before, next) {
            (Some(before), _) if before.end > at => return false,
            (Some(before), Some(end)) => {
                before.end = end;
                self.0.remove(after);
            }
            (Some(before), None) => before.end = at + 1,
            (None, Some(_)) => {
                if let Some(next) = self.0.get_mut(after) {
                    next.start = at;
                }
            }
            (None, None) => self.0.insert(after, at..at + 1),
        }
        true
    }

    /// Adds every offset of a range.
    pub fn insert_range(&mut self, range: Range<Offset>) {
        let (mut start, mut end) = (range.start.get(), range.end.get());
        if start >= end {
            return;
        }
        // All that touch it become one with it.
        let from = self.0.partition_point(|other| other.end < start);
        let to = self.0.partition_point(|other| other.start <= end);
        for other in self.0.get(from..to).unwrap_or_default() {
            start = start.min(other.start);
            end = end.max(other.end);
        }
        self.0.splice(from..to.max(from), std::iter::once(start..end));
    }

    /// Whether an offset is in.
    #[must_use]
    pub fn contains(&self, offset: Offset) -> bool {
        let after = self.0.partition_point(|range| range.start <= offset.get());
        after.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|range| offset.get() < range.end)
    }

    /// Takes out the range that begins at an offset, and says where it ends.
    pub fn take_from(&mut self, start: Offset) -> Option<Offset> {
        let first = self.0.first()?;
        (first.start == start.get()).then(|| Offset::new(self.0.remove(0).end))
    }

    /// Forgets everything below an offset.
    pub fn forget_below(&mut self, offset: Offset) {
        self.0.retain_mut(|range| {
            range.start = range.start.max(offset.get());
            range.start < range.end
        });
    }

    /// Forgets an offset and everything above it.
    pub fn forget_from(&mut self, offset: Offset) {
        self.0.retain_mut(|range| {
            range.end = range.end.min(offset.get());
            range.start < range.end
        });
    }

    /// How many offsets are in.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether none is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<Offset>> {
        self.0.iter().map(|range| Offset::new(range.start)..Offset::new(range.end))
    }
}

/// A list of ranges is not in order, or one of them is empty.
#[derive(Debug, thiserror::Error)]
#[error("offset ranges must be in order, apart from each other and not empty: found {start} to {end}")]
pub struct BadRanges {
    start: u64,
    end: u64,
}

impl TryFrom<Vec<(u64, u64)>> for OffsetRanges {
    type Error = BadRanges;

    fn try_from(pairs: Vec<(u64, u64)>) -> Result<Self, BadRanges> {
        let mut last = None;
        for (start, end) in &pairs {
            let apart = last.is_none_or(|last| last < *start);
            if !apart || start >= end {
                return Err(BadRanges { start: *start, end: *end });
            }
            last = Some(*end);
        }
        Ok(Self(pairs.into_iter().map(|(start, end)| start..end).collect()))
    }
}

impl From<OffsetRanges> for Vec<(u64, u64)> {
    fn from(ranges: OffsetRanges) -> Self {
        ranges.0.into_iter().map(|range| (range.start, range.end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_set(offsets in prop::collection::vec(0u64..40, 0..60), below in 0u64..40, length in 0u64..9, end in 0u64..60) {
            let (mut ranges, mut model) = (OffsetRanges::default(), BTreeSet::new());
            for offset in offsets {
                prop_assert_eq!(ranges.insert(Offset::new(offset)), model.insert(offset));
                prop_assert_eq!(ranges.len(), model.len() as u64);
                for probe in 0..41 {
                    prop_assert_eq!(ranges.contains(Offset::new(probe)), model.contains(&probe));
                }
                let pairs = Vec::from(ranges.clone());
                prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{pairs:?}");
            }
            ranges.insert_range(Offset::new(below)..Offset::new(below + length));
            model.extend(below..below + length);
            let pairs = Vec::from(ranges.clone());
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{pairs:?}");
            prop_assert_eq!(ranges.len(), model.len() as u64);
            ranges.forget_below(Offset::new(below));
            model.retain(|offset| *offset >= below);
            ranges.forget_from(Offset::new(end));
            model.retain(|offset| *offset < end);
            let left: BTreeSet<_> = (0..60).filter(|probe| ranges.contains(Offset::new(*probe))).collect();
            prop_assert_eq!(ranges.len(), model.len() as u64);
            prop_assert_eq!(left, model);
            let text = serde_json::to_string(&ranges).unwrap();
            prop_assert_eq!(serde_json::from_str::<OffsetRanges>(&text).unwrap(), ranges);
        }
    }

    #[test]
    fn ranges_out_of_order_are_refused() {
        for text in ["[[3,3]]", "[[5,4]]", "[[1,3],[3,4]]", "[[4,5],[1,2]]"] {
            assert!(serde_json::from_str::<OffsetRanges>(text).is_err(), "{text}");
        }
    }
}
