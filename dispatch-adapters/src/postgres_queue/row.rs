//! Messages as rows.

use dispatch_core::messenger::Name;
use dispatch_core::queue::{ErrorGroup, Lease, MessageState, QueueError, StoredMessage, WorkerId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Step;
use crate::queue_row::{beside, read_body, state_of, time, unreadable};

/// What is read of a message, in the order of [`read`].
pub(super) const COLUMNS: &str = "m.id, m.queue, m.state, m.due, m.series, m.attempts, m.claim, m.worker, m.since, \
                                  m.until, m.settled, m.error_group, m.history, m.succeeded, m.sum, m.body, m.lane";

/// A message, and the lane that it is in.
pub(super) struct Found {
    pub(super) stored: StoredMessage,
    pub(super) lane: Option<i64>,
}

/// Reads [`COLUMNS`], which begin at a column. What is not what was written becomes an unreadable message.
pub(super) fn read(row: &Row, first: usize) -> Step<Found> {
    let at = |column: usize| first + column;
    let id: Uuid = row.try_get(at(0))?;
    let queue: &str = row.try_get(at(1))?;
    let queue = Name::new(queue).map_err(|_| strange("the queue"))?;
    let state = state_of(row.try_get::<_, i16>(at(2))?.into()).ok_or_else(|| strange("the state"))?;
    let worker: Option<&str> = row.try_get(at(7))?;
    let (since, until): (Option<i64>, Option<i64>) = (row.try_get(at(8))?, row.try_get(at(9))?);
    let lease = worker.zip(since.zip(until)).map(|(worker, (since, until))| Lease {
        worker: WorkerId::new(worker),
        since: time(since),
        until: time(until),
    });
    let bytes: &[u8] = row.try_get(at(15))?;
    let mut body = read_body(id, row.try_get(at(14))?, bytes);
    let (history, succeeded) = (beside(row.try_get(at(12))?), beside(row.try_get(at(13))?));
    if history.is_none() || succeeded.is_none() {
        body = unreadable(bytes);
    }
    let stored = StoredMessage {
        id,
        state,
        queue,
        body,
        series: u32::try_from(row.try_get::<_, i32>(at(4))?).unwrap_or_default(),
        attempts: u32::try_from(row.try_get::<_, i32>(at(5))?).unwrap_or_default(),
        claim: u64::try_from(row.try_get::<_, i64>(at(6))?).unwrap_or_default(),
        due_at: time(row.try_get(at(3))?),
        held_back: state == MessageState::Ready && since.is_some(),
        lease: lease.filter(|_| state == MessageState::Leased),
        history: history.unwrap_or_default(),
        succeeded: succeeded.unwrap_or_default(),
        settled_at: row.try_get::<_, Option<i64>>(at(10))?.map(time),
        error_group: row.try_get::<_, Option<&str>>(at(11))?.map(ErrorGroup::stored),
    };
    Ok(Found { stored, lane: row.try_get(at(16))? })
}

fn strange(what: &str) -> QueueError {
    QueueError::Failed {
        what: format!("{what} of a stored message is none that there is: check who else writes the tables"),
        source: None,
    }
}
