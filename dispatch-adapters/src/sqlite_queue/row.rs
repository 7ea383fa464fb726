//! Messages as rows.

use dispatch_core::messenger::Name;
use dispatch_core::queue::{
    AttemptHistory, ErrorGroup, Lease, MessageState, StoredBody, StoredMessage, WorkerId,
};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(super) use crate::queue_row::{after, body, body_sum, history, millis, state, succeeded, time};
use crate::queue_row::{beside, read_body, state_of, unreadable};

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
    let (history, succeeded, body) = stored_of(row, id, 13)?;
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
        history,
        succeeded,
        settled_at: row.get::<_, Option<i64>>(11)?.map(time),
        error_group: row.get::<_, Option<String>>(12)?.map(ErrorGroup::stored),
    };
    Ok(Found { seq: row.get(0)?, stored })
}

/// What has happened to a message, the handlers that have succeeded, and its body: from four columns, history, handlers,
/// sum and bytes. With one of them that is not what was written the body is unreadable.
pub(super) fn stored_of(
    row: &Row<'_>,
    id: Uuid,
    first: usize,
) -> rusqlite::Result<(AttemptHistory, Vec<String>, StoredBody)> {
    let (history, succeeded) = (json(row, first)?, json(row, first + 1)?);
    let bytes = row.get_ref(first + 3)?.as_blob().map_err(|error| other(first + 3, error))?;
    let body = match (&history, &succeeded) {
        (Some(_), Some(_)) => read_body(id, row.get(first + 2)?, bytes),
        _ => unreadable(bytes),
    };
    Ok((history.unwrap_or_default(), succeeded.unwrap_or_default(), body))
}

/// A column of JSON; none if it is not what was written.
fn json<T: DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str_or_null().ok().and_then(beside))
}

fn other(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("the {0} of a message is none that there is")]
struct Unknown(&'static str);
