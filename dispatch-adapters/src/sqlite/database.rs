//! The database: its connections, its tables, and what is read of it when it is opened.

use std::time::Duration;

use dispatch_core::Topic;
use dispatch_core::log::{LogError, StoredSubscription, SyncPolicy};
use rusqlite::{Connection, OpenFlags};

use super::folder::Folder;
use super::state::{Committed, TopicRow};
use super::{SqliteLogOptions, error, record};

/// The format that is written here.
const FORMAT: u32 = 1;
/// What marks the file as ours: "dtlg".
const APPLICATION: i32 = 0x6474_6c67;
const PAGE_BYTES: i64 = 4_096;
/// Most pages that SQLite can count.
const MAX_PAGES: i64 = 0xffff_fffe;
/// How long to wait for another connection of ours. Only a checkpoint ever makes one wait.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE meta (id INTEGER PRIMARY KEY, topics INTEGER, subscriptions INTEGER, sum INTEGER) STRICT;
    CREATE TABLE topic (
        id INTEGER PRIMARY KEY, name TEXT, oldest INTEGER, head INTEGER, total INTEGER, latest INTEGER, sum INTEGER
    ) STRICT;
    CREATE TABLE record (
        key INTEGER PRIMARY KEY, at INTEGER, behind INTEGER, total INTEGER, sum INTEGER, body BLOB
    ) STRICT;
    CREATE TABLE subscription (name TEXT PRIMARY KEY, body BLOB, sum INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE parked (
        subscription TEXT, id BLOB, body BLOB, sum INTEGER, PRIMARY KEY (subscription, id)
    ) STRICT, WITHOUT ROWID;
    PRAGMA application_id = 1685351527;
    PRAGMA user_version = 1;
";

/// Opens the connection that writes, and makes the tables if the folder is new.
pub(super) fn open(folder: &mut Folder, options: &SqliteLogOptions) -> Result<Connection, LogError> {
    let opening = "opening the log";
    let path = folder.database();
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    // Before SQLite sees it: one byte is an empty database to it, and it removes what was written ahead of one.
    if folder.is_marked() && length < PAGE_BYTES.unsigned_abs() {
        return Err(error::damaged(opening, "the file of the database is missing or cut short"));
    }
    let connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|error| error::of(opening, error))?;
    prepare(&connection, options.sync).map_err(|error| error::of(opening, error))?;
    let is_new = is_empty(&connection).map_err(|error| error::of(opening, error))?;
    if is_new && folder.is_marked() {
        return Err(error::damaged(opening, "the database is empty"));
    }
    make(&connection, options, is_new).map_err(|error| error::of(opening, error))?;
    if is_new {
        folder.sync()?;
        folder.mark()?;
    }
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, format) = number("application_id")
        .and_then(|id| Ok((id, number("user_version")?)))
        .map_err(|error| error::of(opening, error))?;
    let format = u32::try_from(format).unwrap_or(u32::MAX);
    if application != APPLICATION {
        return Err(error::damaged(opening, "the file is not one of a topic log"));
    }
    if format > FORMAT {
        return Err(LogError::Newer { found: format, known: FORMAT });
    }
    if format < FORMAT {
        return Err(error::damaged(opening, format!("it has format {format}, which there never was")));
    }
    folder.mark()?;
    Ok(connection)
}

/// Sets what every connection that writes needs.
fn prepare(connection: &Connection, sync: SyncPolicy) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(
        None,
        "synchronous",
        if sync == SyncPolicy::Always { "FULL" } else { "NORMAL" },
    )?;
    // Where a plain flush does not reach the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Checkpoints have a connection of their own, off the path of commits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Whether nothing was ever made in it.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let made: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(tables == 0 && made == 0)
}

/// Sets what the file needs, and makes the tables if it is new.
fn make(connection: &Connection, options: &SqliteLogOptions, is_new: bool) -> rusqlite::Result<()> {
    if is_new {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    if is_new {
        let transaction = connection.unchecked_transaction()?;
        connection.execute_batch(TABLES)?;
        write_meta(connection, 0, 0)?;
        transaction.commit()?;
        checkpoint(connection, "TRUNCATE")?;
    }
    // After the tables, so that a log that is too small says so in words of its own when it is used.
    let bytes = options.max_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let pages = bytes.map_or(MAX_PAGES, |bytes| (bytes / PAGE_BYTES).min(MAX_PAGES));
    connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))
}

/// How many frames are in the file that is written ahead, and how many of them are in the database by now.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    let pragma = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&pragma, (), |row| Ok((row.get(1)?, row.get(2)?)))
}

/// A connection for checkpoints.
pub(super) fn open_beside(folder: &Folder, sync: SyncPolicy) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(folder.database(), flags);
    opened
        .and_then(|connection| prepare(&connection, sync).map(|()| connection))
        .map_err(|error| error::of("opening the log", error))
}

/// A connection that reads.
pub(super) fn open_reader(folder: &Folder) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(folder.database(), flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error| error::of("opening the log to read", error))
}

/// Writes how many topics and subscriptions there are, so that one that is missing is missed.
pub(super) fn write_meta(connection: &Connection, topics: i64, subscriptions: i64) -> rusqlite::Result<()> {
    let sum = record::sum(&[topics, subscriptions], &[]);
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (id, topics, subscriptions, sum) VALUES (1, ?, ?, ?)")?
        .execute((topics, subscriptions, sum))
        .map(drop)
}

/// The sum of what is stored about a subscription.
fn subscription_sum(name: &str, body: &[u8]) -> i64 {
    record::sum(&[], &[name.as_bytes(), body])
}

/// Writes a subscription and its cursors.
pub(super) fn write_subscription(
    connection: &Connection,
    stored: &StoredSubscription,
) -> rusqlite::Result<()> {
    let body =
        serde_json::to_vec(stored).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sum = subscription_sum(&stored.name, &body);
    connection
        .prepare_cached("INSERT OR REPLACE INTO subscription (name, body, sum) VALUES (?, ?, ?)")?
        .execute((&stored.name, &body, sum))
        .map(drop)
}

/// Reads everything that is kept in memory. None of it is believed without its sum.
pub(super) fn load(connection: &Connection) -> Result<Committed, LogError> {
    let reading = "reading what the log holds";
    let of = |error| error::of(reading, error);
    let damaged = |what: &str| error::damaged(reading, what.to_owned());
    let (topics, subscriptions, sum): (i64, i64, i64) = connection
        .query_row("SELECT topics, subscriptions, sum FROM meta WHERE id = 1", (), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .map_err(of)?;
    if sum != record::sum(&[topics, subscriptions], &[]) {
        return Err(damaged("the list of what there is fails its sum"));
    }
    let mut committed = Committed::default();
    let mut statement = connection
        .prepare("SELECT id, name, oldest, head, total, latest, sum FROM topic ORDER BY id")
        .map_err(of)?;
    let mut rows = statement.query(()).map_err(of)?;
    while let Some(row) = rows.next().map_err(of)? {
        let read = || -> rusqlite::Result<(String, TopicRow, i64)> {
            let (id, oldest, head, total, latest) =
                (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((row.get(1)?, TopicRow { id, oldest, head, total, latest }, row.get(6)?))
        };
        let (name, found, sum) = read().map_err(of)?;
        let topic = Topic::new(&name).ok().filter(|_| found.sum(&name) == sum);
        let topic = topic.ok_or_else(|| damaged("a topic fails its sum"))?;
        if committed.topics.insert(topic, found).is_some() {
            return Err(damaged("a topic is there twice"));
        }
    }
    let mut statement = connection.prepare("SELECT name, body, sum FROM subscription").map_err(of)?;
    let mut rows = statement.query(()).map_err(of)?;
    while let Some(row) = rows.next().map_err(of)? {
        let read =
            || -> rusqlite::Result<(String, Vec<u8>, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (name, body, sum) = read().map_err(of)?;
        let stored = Some(&body).filter(|body| subscription_sum(&name, body) == sum);
        let stored = stored.and_then(|body| serde_json::from_slice::<StoredSubscription>(body).ok());
        let stored = stored.ok_or_else(|| damaged("a subscription fails its sum"))?;
        committed.subscriptions.insert(name, stored);
    }
    let there = |count: usize, wanted: i64| i64::try_from(count).is_ok_and(|count| count == wanted);
    if !there(committed.topics.len(), topics) || !there(committed.subscriptions.len(), subscriptions) {
        return Err(damaged("topics or subscriptions are missing"));
    }
    Ok(committed)
}
