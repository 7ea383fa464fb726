//! Messages as rows.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::{Name, QueuedMessage};
use dispatch_core::queue::{
    AttemptHistory, ErrorGroup, Lease, MessageState, QueueError, StoredBody, StoredMessage, WorkerId,
};
use rusqlite::Row;
use rusqlite::types::Type;
use uuid::Uuid;

use crate::log_entry::sum;

/// What is read of a message, with the names of its queue; in the order of [`read`].
pub(super) const COLUMNS: &str = "m.seq, m.id, q.name, m.state, m.due, m.series, m.attempts, m.claim, m.worker, \
                                  m.since, m.until, m.settled, m.error_group, m.history, m.succeeded, m.sum, m.body";

/// A message, and its place in the table.
pub(super) struct Found {
    pub(super) seq: i64,
    pub(super) stored: StoredMessage,
}

/// Reads a row of [`COLUMNS`]. A body that is not what was written becomes an unreadable one.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    let id = Uuid::from_bytes(row.get(1)?);
    let queue: String = row.get(2)?;
    let queue = Name::new(&queue).map_err(|error| other(2, error))?;
    let state = state_of(row.get(3)?).ok_or_else(|| other(3, Unknown("state")))?;
    let worker: Option<String> = row.get(8)?;
    let (since, until): (Option<i64>, Option<i64>) = (row.get(9)?, row.get(10)?);
    let lease = worker.zip(since.zip(until)).map(|(worker, (since, until))| Lease {
        worker: WorkerId::new(worker),
        since: time(since),
        until: time(until),
    });
    let body = row.get_ref(16)?.as_blob().map_err(|error| other(16, error))?;
    let whole = row.get::<_, i64>(15)? == body_sum(id, body);
    let message =
        serde_json::from_slice::<QueuedMessage>(body).ok().filter(|message| whole && message.id == id);
    let body = match message {
        Some(message) => StoredBody::Message(Arc::new(message)),
        None => StoredBody::Unreadable(String::from_utf8_lossy(body).into_owned()),
    };
    let stored = StoredMessage {
        id,
        state,
        queue,
        body,
        series: row.get(5)?,
        attempts: row.get(6)?,
        claim: u64::try_from(row.get::<_, i64>(7)?).unwrap_or_default(),
        due_at: time(row.get(4)?),
        lease: lease.filter(|_| state == MessageState::Leased),
        history: text(row, 13)?,
        succeeded: text(row, 14)?,
        settled_at: row.get::<_, Option<i64>>(11)?.map(time),
        error_group: row.get::<_, Option<String>>(12)?.map(ErrorGroup::stored),
    };
    Ok(Found { seq: row.get(0)?, stored })
}

/// A column of JSON. Nothing is the empty value, and so is what cannot be read: it is beside the message, and one that is
/// damaged must not keep back the others.
fn text<T: serde::de::DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str_or_null().unwrap_or_default();
    Ok(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
}

fn other(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("the {0} of a message is none that there is")]
struct Unknown(&'static str);

/// The bytes of a message.
pub(super) fn body(message: &QueuedMessage, limit: usize) -> Result<Vec<u8>, QueueError> {
    // What serde says may hold a value of the payload.
    let body = serde_json::to_vec(message)
        .map_err(|_| QueueError::NotStorable { what: "it refuses to be written as JSON".to_owned() })?;
    match body.len() {
        bytes if bytes > limit => Err(QueueError::TooLarge { bytes, limit }),
        _ => Ok(body),
    }
}

/// The sum of a body.
pub(super) fn body_sum(id: Uuid, body: &[u8]) -> i64 {
    sum(&[], &[id.as_bytes(), body])
}

/// A history as it is stored; an empty one is not.
pub(super) fn history(history: &AttemptHistory) -> Option<String> {
    let kept = !history.as_slice().is_empty();
    kept.then(|| serde_json::to_string(history).ok()).flatten()
}

/// Names of handlers as they are stored; none are not.
pub(super) fn succeeded(succeeded: &[String]) -> Option<String> {
    (!succeeded.is_empty()).then(|| serde_json::to_string(succeeded).ok()).flatten()
}

pub(super) const fn state(state: MessageState) -> i64 {
    match state {
        MessageState::Waiting => 0,
        MessageState::Ready => 1,
        MessageState::Leased => 2,
        MessageState::Done => 3,
        MessageState::Expired => 4,
        _ => 5,
    }
}

fn state_of(stored: i64) -> Option<MessageState> {
    MessageState::ALL.into_iter().find(|known| state(*known) == stored)
}

/// A time in milliseconds since 1970. What is finer is cut off; what does not fit is taken for the nearest that does.
pub(super) fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(MOST),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(-MOST, |millis| -millis),
    }
    .clamp(-MOST, MOST)
}

/// What a time can be at most: the year 9999 and some.
const MOST: i64 = 400_000_000_000_000;

/// The time of so many milliseconds since 1970.
pub(super) fn time(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.clamp(-MOST, MOST).unsigned_abs());
    if millis < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

/// So much later, in milliseconds.
pub(super) fn after(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(MOST)).clamp(-MOST, MOST)
}
