//! How a log is opened: on the thread that will write, so that nobody's runtime is held up.

use std::collections::BTreeMap;
use std::sync::Arc;

use dispatch_core::log::{LogError, Offset};
use rusqlite::Connection;

use super::checkpoint::Checkpoints;
use super::folder::Folder;
use super::reader::Readers;
use super::state::{Committed, Shared};
use super::writer::Writer;
use super::{SqliteLogOptions, database, error};

/// The two sides of an open log.
pub(super) struct Started {
    pub(super) shared: Arc<Shared>,
    pub(super) readers: Readers,
}

pub(super) fn start(options: &SqliteLogOptions) -> Result<(Started, Writer), LogError> {
    let mut folder = Folder::take(&options.folder)?;
    let connection = database::open(&mut folder, options)?;
    let mut committed = database::load(&connection)?;
    check_cursors(&connection, &mut committed, options.lower_cursors)?;
    let sweeps: BTreeMap<_, _> =
        committed.topics.values().filter(|row| row.oldest > 0).map(|row| (row.id, row.oldest)).collect();
    let shared = Arc::new(Shared::new(committed));
    let connections = (0..options.readers).map(|_| database::open_reader(&folder));
    let connections = connections.collect::<Result<_, _>>()?;
    let beside = database::open_beside(&folder, options.sync)?;
    // The file that is written ahead is there by now, and its name has to stay.
    folder.sync()?;
    let threads = |error| error::of_file("starting threads for", &options.folder, error);
    let checkpoints =
        Checkpoints::start(&options.name, beside, folder.ahead(), options.sync).map_err(threads)?;
    let (readers, reading) = Readers::start(&options.name, connections).map_err(threads)?;
    let clock = Arc::clone(&options.clock);
    let started = Started { shared: Arc::clone(&shared), readers };
    Ok((started, Writer { connection, shared, clock, checkpoints, readers: reading, sweeps, folder }))
}

/// No cursor may be past the end of its topic: what it has passed is missing then, and its offsets would be given to
/// records that it will never see.
fn check_cursors(connection: &Connection, committed: &mut Committed, lower: bool) -> Result<(), LogError> {
    let Committed { topics, subscriptions } = committed;
    let mut lowered = Vec::new();
    for (name, stored) in subscriptions.iter_mut() {
        for cursor in &mut stored.cursors {
            let head = topics.get(&cursor.topic).map_or(Offset::ZERO, |row| row.bounds().head);
            let highest = cursor.settled.iter().last().map_or(cursor.next, |range| range.end);
            if highest <= head {
                continue;
            }
            let missing = LogError::EndsBelowCursor {
                topic: cursor.topic.clone(),
                head,
                subscription: name.clone(),
                cursor: highest,
            };
            if !lower {
                return Err(missing);
            }
            tracing::warn!(error = %missing, "the cursor is set back");
            cursor.next = cursor.next.min(head);
            cursor.settled = Default::default();
            lowered.push(name.clone());
        }
    }
    lowered.dedup();
    let write = || -> rusqlite::Result<()> {
        let transaction = connection.unchecked_transaction()?;
        for stored in lowered.iter().filter_map(|name| subscriptions.get(name)) {
            database::write_subscription(connection, stored)?;
        }
        transaction.commit()
    };
    write().map_err(|error| error::of("setting cursors back", error))
}
