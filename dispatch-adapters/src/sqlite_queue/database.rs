//! The database: its connections and its tables.
//!
//! The file may be one of the user's, with tables of their own: nothing is touched but what is named `dispatch_`.

use std::path::Path;
use std::time::Duration;

use dispatch_core::log::SyncPolicy;
use dispatch_core::queue::QueueError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{SqliteQueueOptions, error};

/// The version of the tables that is written here.
pub(super) const VERSION: u32 = 1;
const PAGE_BYTES: i64 = 4_096;
/// Most pages that SQLite can count.
const MAX_PAGES: i64 = 0xffff_fffe;
/// How often to ask again for a database that another process writes to, a millisecond apart.
const BUSY: i32 = 10_000;

/// States as they are stored, which partial indexes name: waiting 0, ready 1, leased 2, done 3, expired 4, failed 5.
const TABLES: &str = "
    CREATE TABLE dispatch_meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE dispatch_transport (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE dispatch_queue (
        id INTEGER PRIMARY KEY, transport INTEGER NOT NULL, name TEXT NOT NULL, paused INTEGER NOT NULL DEFAULT 0,
        UNIQUE (transport, name)
    ) STRICT;
    CREATE TABLE dispatch_message (
        seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, queue INTEGER NOT NULL, type TEXT NOT NULL,
        state INTEGER NOT NULL, priority INTEGER NOT NULL, due INTEGER NOT NULL, expires INTEGER, lane TEXT,
        key TEXT, series INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
        claim INTEGER NOT NULL DEFAULT 0, worker TEXT, since INTEGER, until INTEGER, settled INTEGER,
        error_group TEXT, history TEXT, succeeded TEXT, sum INTEGER NOT NULL, body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE dispatch_key (
        transport INTEGER NOT NULL, key TEXT NOT NULL, message BLOB NOT NULL, until INTEGER,
        PRIMARY KEY (transport, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX dispatch_ready ON dispatch_message (queue, priority, due, id) WHERE state = 1;
    CREATE INDEX dispatch_leased ON dispatch_message (until, queue) WHERE state = 2;
    CREATE INDEX dispatch_lane ON dispatch_message (lane, state, due, id, queue) WHERE lane IS NOT NULL;
    CREATE INDEX dispatch_kept ON dispatch_message (settled, queue) WHERE state IN (3, 4);
    CREATE INDEX dispatch_failed ON dispatch_message (id, queue) WHERE state = 5;
    CREATE INDEX dispatch_key_until ON dispatch_key (until) WHERE until IS NOT NULL;
    INSERT INTO dispatch_meta (name, value) VALUES ('version', 1), ('claims', 0);
";

/// Opens the connection that writes, and makes the tables if they are not there.
pub(super) fn open(options: &SqliteQueueOptions) -> Result<Connection, QueueError> {
    let path = options.path.as_path();
    let of = |error| error::of("opening the queue", path, error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        std::fs::create_dir_all(folder).map_err(|error| error::of_file("making", folder, error))?;
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(of)?;
    prepare(&mut connection, options.sync).map_err(of)?;
    let mode = write_ahead(&connection).map_err(of)?;
    if mode != "wal" {
        return Err(QueueError::Failed {
            what: format!("{}: the file system takes no write-ahead log", path.display()),
            source: None,
        });
    }
    migrate(&connection, path)?;
    // After the tables, so that a file that is too small says so in words of its own when it is used.
    let bytes = options.max_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let pages = bytes.map_or(MAX_PAGES, |bytes| (bytes / PAGE_BYTES).min(MAX_PAGES));
    connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(())).map_err(of)?;
    Ok(connection)
}

/// Has changes written ahead. Another process that does the same at the same time makes this one fail at once, without the
/// wait for a lock that everything else has. It waits on the thread that writes, like everything here.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let mut times = 0;
    loop {
        let set = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        let busy = |error: &rusqlite::Error| {
            matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
        };
        match set {
            Err(error) if busy(&error) && times < BUSY => {
                std::thread::sleep(Duration::from_millis(1));
                times += 1;
            }
            set => return set,
        }
    }
}

/// Makes the tables in a database, or checks that they are those that this version knows.
///
/// Everything happens in one transaction of its own, so it can be called at the start of any process.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), QueueError> {
    let of = |error| error::of("making the tables", path, error);
    match version(connection).map_err(of)? {
        Some(VERSION) => return Ok(()),
        Some(found) if found > VERSION => return Err(QueueError::Newer { found, known: VERSION }),
        Some(found) => {
            return Err(error::damaged(
                path,
                format!("its tables have version {found}, which there never was"),
            ));
        }
        None => {}
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(of)?;
    // Another process may have been faster.
    let made = version(connection).and_then(|found| match found {
        None => connection.execute_batch(TABLES),
        Some(_) => Ok(()),
    });
    let ended = made.and_then(|()| connection.execute_batch("COMMIT"));
    if ended.is_err() && !connection.is_autocommit() {
        // What made it fail is told; that it is undone goes without saying.
        let _ = connection.execute_batch("ROLLBACK");
    }
    ended.map_err(of)
}

/// The version of the tables, if there are any.
fn version(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'dispatch_meta'";
    let tables: i64 = connection.query_row(sql, (), |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let sql = "SELECT value FROM dispatch_meta WHERE name = 'version'";
    connection.query_row(sql, (), |row| row.get(0)).map(Some)
}

/// Sets what every connection needs.
fn prepare(connection: &mut Connection, sync: SyncPolicy) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|times| {
        std::thread::sleep(Duration::from_millis(1));
        times < BUSY
    }))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let level = if sync == SyncPolicy::Always { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", level)?;
    // Where a plain flush does not reach the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Checkpoints have a connection of their own, off the path of commits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// One more connection to a database that is open.
pub(super) fn open_beside(options: &SqliteQueueOptions) -> Result<Connection, QueueError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&options.path, flags);
    opened
        .and_then(|mut connection| prepare(&mut connection, options.sync).map(|()| connection))
        .map_err(|error| error::of("opening the queue", &options.path, error))
}
