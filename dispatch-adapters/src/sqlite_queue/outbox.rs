//! Messages that are stored in a transaction of the caller's: either both happen, what the caller writes and the
//! message, or neither.

use std::path::Path;

use dispatch_core::queue::{Enqueued, QueueError, Submission};
use rusqlite::Connection;

use super::store::{Known, Limits, Store};
use super::{SqliteQueueOptions, database, row};

/// Makes the tables of the queue in a database of the caller's, unless they are there. It has to be outside of a
/// transaction. Opening a [`SqliteQueue`](super::SqliteQueue) on the file does the same.
///
/// # Errors
/// [`QueueError::Newer`] for tables of a later version, and what SQLite says.
pub fn migrate(connection: &Connection) -> Result<(), QueueError> {
    database::migrate(connection, Path::new(connection.path().unwrap_or_default()))
}

/// Stores messages in the transaction that a connection is in. They are there for workers once it is committed, and
/// never if it is not.
///
/// The transport is that of each message, and the rest of what matters here is in `options`: those of the
/// [`SqliteQueue`](super::SqliteQueue) that takes them out. Workers of this process notice within 10 ms.
///
/// # Errors
/// What SQLite says; then the transaction should be rolled back. Messages fail apart from each other, as with
/// [`enqueue`](dispatch_core::queue::MessageQueue::enqueue).
pub fn enqueue(
    connection: &Connection,
    options: &SqliteQueueOptions,
    submissions: &[Submission],
) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
    if connection.is_autocommit() {
        return Err(QueueError::Unsupported {
            what: "the connection is in no transaction: begin one, write what belongs together, and commit it",
        });
    }
    let limits = Limits::of(options);
    let mut store = Store {
        connection,
        path: Path::new(connection.path().unwrap_or_default()),
        limits: &limits,
        now: row::millis(options.clock.now()),
        transport: "",
        woken: false,
        known: Known::default(),
    };
    let mut answers = Vec::with_capacity(submissions.len());
    for submission in submissions {
        answers.push(match row::body(&submission.message, limits.max_message_bytes) {
            Ok(body) => {
                store.turn_to(submission.message.transport.as_str());
                store.enqueue(submission, &body)?
            }
            Err(error) => Err(error),
        });
    }
    Ok(answers)
}
