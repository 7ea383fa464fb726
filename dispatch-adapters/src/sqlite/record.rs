//! The bytes of a record, and the sum that shows whether they are still what was written.
//!
//! ```text
//!   row   key = topic << 40 | offset · at · behind · total · sum · body
//!   body  as in `log_entry`
//! ```
//!
//! - `at` is the time of the append. `behind` is how far that is behind the latest time of any earlier record, so
//!   `at + behind` never falls and can be searched, whatever the clock does.
//! - `total` is the sum of the sizes of all bodies of the topic up to this one, so sizes can be searched too.
//! - `sum` covers all of the rest: a record that was moved, cut or changed is not taken for one.

use std::time::{Duration, SystemTime};

use dispatch_core::log::{LogRecord, Offset};

use crate::log_entry;
pub(super) use crate::log_entry::{encode, sum};

/// Bits of a key that are the offset.
const OFFSET_BITS: u32 = 40;

/// Topics that a log can hold.
pub(super) const MAX_TOPICS: i64 = (1 << (63 - OFFSET_BITS)) - 1;
/// Records that a topic can hold in its life.
pub(super) const MAX_OFFSET: i64 = (1 << OFFSET_BITS) - 1;

/// The key of a record.
pub(super) const fn key(topic: i64, offset: i64) -> i64 {
    (topic << OFFSET_BITS) | offset
}

/// The offset in a key.
pub(super) const fn offset_of(key: i64) -> i64 {
    key & MAX_OFFSET
}

/// An offset as SQLite stores it; one that no topic reaches is past all of them.
pub(super) fn stored(offset: Offset) -> i64 {
    i64::try_from(offset.get()).unwrap_or(i64::MAX).min(MAX_OFFSET)
}

/// A stored offset.
pub(super) fn offset(stored: i64) -> Offset {
    Offset::new(u64::try_from(stored).unwrap_or_default())
}

/// A row of the table of records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) key: i64,
    pub(super) at: i64,
    pub(super) behind: i64,
    pub(super) total: i64,
    pub(super) body: &'a [u8],
}

impl Row<'_> {
    pub(super) fn sum(&self) -> i64 {
        sum(&[self.key, self.at, self.behind, self.total], &[self.body])
    }
}

/// A time in nanoseconds since 1970. The years 1678 to 2261 fit; a clock that shows others is taken for the nearest.
pub(super) fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// The time of so many nanoseconds since 1970.
pub(super) fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    if nanos < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

/// Reads a record whose sum is right; what is wrong with it otherwise.
pub(super) fn decode(row: &Row<'_>) -> Result<LogRecord, &'static str> {
    let entry = log_entry::decode(row.body)?;
    Ok(LogRecord::new(offset(offset_of(row.key)), time(row.at), entry))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn appended_times_come_back(stamp: i64) {
            prop_assume!(stamp != i64::MIN);
            prop_assert_eq!(nanos(time(stamp)), stamp);
        }

        #[test]
        fn any_flipped_bit_changes_the_sum(body in prop::collection::vec(any::<u8>(), 1..80), at: usize, bit in 0u8..8) {
            let row = Row { key: key(3, 9), at: 1, behind: 0, total: 80, body: &body };
            let mut flipped = body.clone();
            let at = at % body.len();
            flipped[at] ^= 1 << bit;
            prop_assert_ne!(row.sum(), Row { body: &flipped, ..row }.sum());
            prop_assert_ne!(row.sum(), Row { key: key(3, 10), ..row }.sum());
            prop_assert_ne!(row.sum(), Row { key: key(4, 9), ..row }.sum());
            prop_assert_ne!(row.sum(), Row { at: 2, ..row }.sum());
        }
    }
}
