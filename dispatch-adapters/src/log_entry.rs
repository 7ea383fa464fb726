//! The bytes of an entry, and the sum that shows whether they are still what was written: what the logs that write
//! entries out have in common.
//!
//! ```text
//!   body  1 version · flags · [12 available_at] · [12 expires_at] · envelope as JSON
//! ```

use std::time::{Duration, SystemTime};

use dispatch_core::log::{LogEntry, LogError};
use dispatch_core::{Envelope, Topic};

pub(crate) use crate::checksum::sum;

const VERSION: u8 = 1;
const AVAILABLE: u8 = 1;
const EXPIRES: u8 = 2;

/// Writes an entry.
pub(crate) fn encode(topic: &Topic, entry: LogEntry, limit: usize) -> Result<Vec<u8>, LogError> {
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

/// Reads an entry whose sum is right; what is wrong with it otherwise.
pub(crate) fn decode(body: &[u8]) -> Result<LogEntry, &'static str> {
    let mut rest = body;
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
    Ok(entry)
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
    }
}
