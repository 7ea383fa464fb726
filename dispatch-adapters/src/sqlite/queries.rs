//! What is read from the database. Nothing is believed without its sum, and a record that is not where it has to be is
//! missed.

use std::sync::Arc;
use std::time::SystemTime;

use dispatch_core::Topic;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::log::{LogError, LogRecord, Offset, ReadLimit};
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow};
use uuid::Uuid;

use super::batch::parked_sum;
use super::record::{self, Row};
use super::state::TopicRow;
use super::{error, record::key};

const COLUMNS: &str = "key, at, behind, total, sum, body";

fn damaged(topic: &Topic, offset: i64, what: impl Into<String>) -> LogError {
    LogError::Damaged { topic: topic.clone(), offset: record::offset(offset), what: what.into() }
}

/// An error of SQLite on the way to a record.
fn broken(topic: &Topic, offset: i64, error: rusqlite::Error) -> LogError {
    match error::of("reading", error) {
        LogError::Failed { source, .. } => {
            let why = source.map_or_else(|| "unreadable".to_owned(), |source| source.to_string());
            damaged(topic, offset, format!("the database is damaged there: {why}"))
        }
        other => other,
    }
}

/// A row whose sum is right and whose place is the one that is expected.
fn checked<'a>(row: &'a SqlRow<'_>, wanted: i64) -> Result<Row<'a>, String> {
    let read = || -> rusqlite::Result<(Row<'a>, i64)> {
        let body = row.get_ref(5)?.as_blob().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Blob, error.into())
        })?;
        Ok((
            Row { key: row.get(0)?, at: row.get(1)?, behind: row.get(2)?, total: row.get(3)?, body },
            row.get(4)?,
        ))
    };
    match read() {
        Ok((row, _)) if row.key != wanted => Err("it is missing".to_owned()),
        Ok((row, sum)) if row.sum() != sum => Err("its sum is wrong".to_owned()),
        Ok((row, _)) => Ok(row),
        Err(_) => Err("it has another shape".to_owned()),
    }
}

/// Records from an offset on, up to the head.
pub(super) fn records(
    connection: &Connection,
    topic: &Topic,
    known: &TopicRow,
    from: i64,
    limit: ReadLimit,
) -> Result<Vec<LogRecord>, LogError> {
    let mut found = Vec::new();
    let mut bytes = 0usize;
    let most = i64::try_from(limit.records.max(1)).unwrap_or(i64::MAX).min(known.head - from);
    let sql = format!("SELECT {COLUMNS} FROM record WHERE key >= ? AND key < ? ORDER BY key");
    let mut statement = connection.prepare_cached(&sql).map_err(|error| broken(topic, from, error))?;
    let range = (key(known.id, from), key(known.id, from + most));
    let mut rows = statement.query(range).map_err(|error| broken(topic, from, error))?;
    for offset in from..from + most {
        let next = match rows.next() {
            Ok(Some(row)) => checked(row, key(known.id, offset))
                .and_then(|row| {
                    bytes = bytes.saturating_add(row.body.len());
                    record::decode(&row).map_err(str::to_owned)
                })
                .map_err(|what| damaged(topic, offset, what)),
            Ok(None) => Err(damaged(topic, offset, "it is missing")),
            Err(error) => Err(broken(topic, offset, error)),
        };
        match next {
            Ok(_) if bytes > limit.bytes && !found.is_empty() => break,
            Ok(record) => found.push(record),
            Err(error) if found.is_empty() => return Err(error),
            // Whoever reads on meets it first.
            Err(_) => break,
        }
    }
    Ok(found)
}

/// What is searched for in records.
struct Measures {
    /// The time of the append.
    at: i64,
    /// The latest time up to here.
    latest: i64,
    /// The sizes of everything before it, added up.
    before: i64,
}

fn measure(connection: &Connection, topic: &Topic, id: i64, offset: i64) -> Result<Measures, LogError> {
    let sql = format!("SELECT {COLUMNS} FROM record WHERE key = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(|error| broken(topic, offset, error))?;
    let mut rows = statement.query((key(id, offset),)).map_err(|error| broken(topic, offset, error))?;
    let row = rows.next().map_err(|error| broken(topic, offset, error))?;
    let row = row.ok_or_else(|| damaged(topic, offset, "it is missing"))?;
    let row = checked(row, key(id, offset)).map_err(|what| damaged(topic, offset, what))?;
    let size = i64::try_from(row.body.len()).unwrap_or(i64::MAX);
    Ok(Measures {
        at: row.at,
        latest: row.at.saturating_add(row.behind),
        before: row.total.saturating_sub(size),
    })
}

/// The first kept record for which something holds that holds for all after it; the head if there is none.
fn first_where(
    connection: &Connection,
    topic: &Topic,
    known: &TopicRow,
    holds: impl Fn(&Measures) -> bool,
) -> Result<i64, LogError> {
    let (mut low, mut high) = (known.oldest, known.head);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(&measure(connection, topic, known.id, middle)?) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// The bytes of the kept records.
pub(super) fn bytes(connection: &Connection, topic: &Topic, known: &TopicRow) -> Result<u64, LogError> {
    if known.oldest == known.head {
        return Ok(0);
    }
    let before = measure(connection, topic, known.id, known.oldest)?.before;
    Ok(u64::try_from(known.total.saturating_sub(before)).unwrap_or_default())
}

/// The lowest offset from which on the records have at most so many bytes.
pub(super) fn offset_keeping(
    connection: &Connection,
    topic: &Topic,
    known: &TopicRow,
    bytes: u64,
) -> Result<Offset, LogError> {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let found = first_where(connection, topic, known, |one| known.total.saturating_sub(one.before) <= bytes)?;
    Ok(record::offset(found))
}

/// The first record that was appended at a time or later.
pub(super) fn offset_at(
    connection: &Connection,
    topic: &Topic,
    known: &TopicRow,
    time: SystemTime,
) -> Result<Offset, LogError> {
    let at = record::nanos(time);
    let found = first_where(connection, topic, known, |one| one.latest >= at)?;
    // Where the latest time rises to this one there is a record of that time. It may have risen before the oldest.
    if found == known.head || found > known.oldest || measure(connection, topic, known.id, found)?.at >= at {
        return Ok(record::offset(found));
    }
    let sql = "SELECT key FROM record WHERE key > ? AND key < ? AND at >= ? ORDER BY key LIMIT 1";
    let range = (key(known.id, found), key(known.id, known.head), at);
    let later = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(range, |row| row.get(0)).optional())
        .map_err(|error| broken(topic, found, error))?;
    Ok(record::offset(later.map_or(known.head, record::offset_of)))
}

/// Parked messages in the order of their ids.
pub(super) fn parked(
    connection: &Connection,
    name: &str,
    after: Option<Uuid>,
    max: usize,
) -> Result<Vec<Arc<DeadLetter>>, LogError> {
    let reading = "reading parked messages";
    let of = |error| error::of(reading, error);
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let mut statement = connection
        .prepare_cached(
            "SELECT id, body, sum FROM parked WHERE subscription = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .map_err(of)?;
    let most = i64::try_from(max).unwrap_or(i64::MAX);
    let mut rows = statement.query((name, after, most)).map_err(of)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(of)? {
        let read =
            || -> rusqlite::Result<(Vec<u8>, Vec<u8>, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (id, body, sum) = read().map_err(of)?;
        let letter = Some(&body).filter(|body| parked_sum(name, &id, body) == sum);
        let letter = letter.and_then(|body| serde_json::from_slice(body).ok());
        found.push(Arc::new(letter.ok_or_else(|| error::damaged(reading, "a message fails its sum"))?));
    }
    Ok(found)
}

/// How many messages are parked.
pub(super) fn parked_count(connection: &Connection, name: &str) -> Result<u64, LogError> {
    let counted: i64 = connection
        .prepare_cached("SELECT count(*) FROM parked WHERE subscription = ?")
        .and_then(|mut statement| statement.query_row((name,), |row| row.get(0)))
        .map_err(|error| error::of("counting parked messages", error))?;
    Ok(u64::try_from(counted).unwrap_or_default())
}
