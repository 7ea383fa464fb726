//! Messages as rows.

use dispatch_core::messenger::Name;
use dispatch_core::queue::{ErrorGroup, Lease, MessageState, StoredBody, StoredMessage, WorkerId};
use rusqlite::Row;
use rusqlite::types::Type;
use uuid::Uuid;

pub(super) use crate::queue_row::{after, body, body_sum, history, millis, state, succeeded, time};
use crate::queue_row::{read_body, state_of};

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
    let body = body_of(row, id, 15)?;
    let stored = StoredMessage {
        id,
        state,
        queue,
        body,
        series: row.get(5)?,
        attempts: row.get(6)?,
        claim: u64::try_from(row.get::<_, i64>(7)?).unwrap_or_default(),
        due_at: time(row.get(4)?),
        held_back: state == MessageState::Ready && since.is_some(),
        lease: lease.filter(|_| state == MessageState::Leased),
        history: text(row, 13)?,
        succeeded: text(row, 14)?,
        settled_at: row.get::<_, Option<i64>>(11)?.map(time),
        error_group: row.get::<_, Option<String>>(12)?.map(ErrorGroup::stored),
    };
    Ok(Found { seq: row.get(0)?, stored })
}

/// The body of a message, from the columns of its sum and of its bytes.
pub(super) fn body_of(row: &Row<'_>, id: Uuid, sum: usize) -> rusqlite::Result<StoredBody> {
    let body = row.get_ref(sum + 1)?.as_blob().map_err(|error| other(sum + 1, error))?;
    Ok(read_body(id, row.get(sum)?, body))
}

/// A column of JSON. Nothing is the empty value, and so is what cannot be read: it is beside the message, and one that is
/// damaged must not keep back the others.
pub(super) fn text<T: serde::de::DeserializeOwned + Default>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str_or_null().unwrap_or_default();
    Ok(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
}

fn other(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("the {0} of a message is none that there is")]
struct Unknown(&'static str);
