//! The bytes of a record, and the sum that shows whether they are still what was written.
//!
//! ```text
//!   row   key = topic << 40 | offset · at · behind · total · sum · body
//!   body  1 version · flags · [12 available_at] · [12 expires_at] · envelope as JSON
//! ```
//!
//! - `at` is the time of the append. `behind` is how far that is behind the latest time of any earlier record, so
//!   `at + behind` never falls and can be searched, whatever the clock does.
//! - `total` is the sum of the sizes of all bodies of the topic up to this one, so sizes can be searched too.
//! - `sum` covers all of the rest: a record that was moved, cut or changed is not taken for one.

use std::time::{Duration, SystemTime};

use dispatch_core::log::{LogEntry, LogError, LogRecord, Offset};
use dispatch_core::{Envelope, Topic};
use xxhash_rust::xxh3::Xxh3;

const VERSION: u8 = 1;
const AVAILABLE: u8 = 1;
const EXPIRES: u8 = 2;
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

/// A sum over numbers and texts; where one text ends and the next begins is part of it.
pub(super) fn sum(numbers: &[i64], texts: &[&[u8]]) -> i64 {
    let mut hasher = Xxh3::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.digest().cast_signed()
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

/// Writes an entry.
pub(super) fn encode(topic: &Topic, entry: LogEntry, limit: usize) -> Result<Vec<u8>, LogError> {
    let LogEntry { envelope, available_at, expires_at, .. } = entry;
    let envelope = if envelope.topic() == Some(topic) { envelope } else { envelope.with_topic(topic) };
    let flags = available_at.map_or(0, |_| AVAILABLE) | expires_at.map_or(0, |_| EXPIRES);
    let mut body = Vec::with_capacity(512);
    body.extend([VERSION, flags]);
    for time in [available_at, expires_at].into_iter().flatten() {
        let (seconds, nanos) = split(time);
        body.extend(seconds.to_le_bytes());
        body.extend(nanos.to_le_bytes());
    }
    // What serde says may hold a value of the payload, so it is left out.
    serde_json::to_writer(&mut body, &envelope).map_err(|_| LogError::NotStorable {
        what: format!(
            "the payload of {} refuses to be written as JSON, or its time of creation is past the year 9999",
            envelope.id()
        ),
    })?;
    if body.len() > limit {
        return Err(LogError::TooLarge { bytes: body.len(), limit });
    }
    Ok(body)
}

/// Reads a record whose sum is right; what is wrong with it otherwise.
pub(super) fn decode(row: &Row<'_>) -> Result<LogRecord, &'static str> {
    let mut rest = row.body;
    let mut next = |bytes: usize| {
        let (taken, left) = rest.split_at_checked(bytes)?;
        rest = left;
        Some(taken)
    };
    let flags = match next(2) {
        Some([VERSION, flags]) => *flags,
        _ => return Err("its version is not known here"),
    };
    let mut moment = |flag: u8| {
        if flags & flag == 0 {
            return Ok(None);
        }
        let seconds = next(8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
        let nanos = next(4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        seconds
            .zip(nanos)
            .and_then(|(seconds, nanos)| join(seconds, nanos))
            .map(Some)
            .ok_or("a time of it is cut")
    };
    let (available_at, expires_at) = (moment(AVAILABLE)?, moment(EXPIRES)?);
    let envelope: Envelope = serde_json::from_slice(rest).map_err(|_| "its envelope cannot be read")?;
    let mut entry = LogEntry::new(envelope);
    entry.available_at = available_at;
    entry.expires_at = expires_at;
    Ok(LogRecord::new(offset(offset_of(row.key)), time(row.at), entry))
}

/// A time as whole seconds, rounded down, and the nanoseconds after them.
fn split(time: SystemTime) -> (i64, u32) {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => (seconds(since), since.subsec_nanos()),
        Err(before) => match before.duration().subsec_nanos() {
            0 => (-seconds(before.duration()), 0),
            nanos => (-seconds(before.duration()) - 1, 1_000_000_000 - nanos),
        },
    }
}

fn join(seconds: i64, nanos: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    at?.checked_add(Duration::from_nanos(nanos.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_come_back(seconds in -100_000_000_000i64..100_000_000_000, nanos in 0u32..1_000_000_000) {
            let at = join(seconds, nanos).unwrap();
            prop_assert_eq!(split(at), (seconds, nanos));
        }

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
