//! The steps of a queue in one transaction. What they do is what [`QueueState`](dispatch_core::queue::QueueState) does,
//! on tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dispatch_core::messenger::Name;
use dispatch_core::queue::QueueError;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};
use uuid::Uuid;

use super::error;

#[cfg(test)]
mod tests;

/// What a queue was made for.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) per_key: usize,
    pub(super) keep_done: Duration,
    pub(super) max_message_bytes: usize,
}

/// One transaction, of one transport at a time.
pub(super) struct Store<'a> {
    pub(super) connection: &'a Connection,
    pub(super) path: &'a Path,
    pub(super) limits: &'a Limits,
    /// In milliseconds since 1970.
    pub(super) now: i64,
    pub(super) transport: &'a str,
    /// Something became ready.
    pub(super) woken: bool,
    pub(super) known: Known,
}

/// Numbers that were looked up or given in this transaction, which nobody else changes meanwhile.
#[derive(Default)]
pub(super) struct Known {
    transport: Option<i64>,
    queue: Option<(Name, i64)>,
}

impl<'a> Store<'a> {
    /// Goes on with another transport, in the same transaction.
    pub(super) fn turn_to(&mut self, transport: &'a str) {
        if self.transport != transport {
            self.transport = transport;
            self.known = Known::default();
        }
    }
}

impl Store<'_> {
    /// Does something; how many rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize, QueueError> {
        self.with("writing to the queue", sql, |statement| statement.execute(params))
    }

    /// The first row of an answer.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, QueueError> {
        self.with("reading the queue", sql, |statement| statement.query_row(params, read).optional())
    }

    /// Every row of an answer.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, QueueError> {
        self.with("reading the queue", sql, |statement| statement.query_map(params, read)?.collect())
    }

    fn with<T>(
        &self,
        doing: &str,
        sql: &str,
        ask: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, QueueError> {
        let ask = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let answer = ask(&mut statement);
            #[cfg(test)]
            tests::count(&statement);
            answer
        };
        ask().map_err(|error| error::of(doing, self.path, error))
    }

    /// The number of the transport; it is stored if it is new.
    pub(super) fn transport_id(&mut self) -> Result<i64, QueueError> {
        if let Some(id) = self.known.transport {
            return Ok(id);
        }
        let sql = "SELECT id FROM dispatch_transport WHERE name = ?";
        let id = match self.first(sql, [self.transport], |row| row.get(0))? {
            Some(id) => id,
            None => {
                self.run("INSERT INTO dispatch_transport (name) VALUES (?)", [self.transport])?;
                self.connection.last_insert_rowid()
            }
        };
        self.known.transport = Some(id);
        Ok(id)
    }

    /// The number of a queue; it is stored if it is new.
    pub(super) fn queue_id(&mut self, transport: i64, name: &Name) -> Result<i64, QueueError> {
        if let Some((_, id)) = self.known.queue.as_ref().filter(|(known, _)| known == name) {
            return Ok(*id);
        }
        let sql = "SELECT id FROM dispatch_queue WHERE transport = ? AND name = ?";
        let id = match self.first(sql, (transport, name.as_str()), |row| row.get(0))? {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO dispatch_queue (transport, name) VALUES (?, ?)";
                self.run(sql, (transport, name.as_str()))?;
                self.connection.last_insert_rowid()
            }
        };
        self.known.queue = Some((name.clone(), id));
        Ok(id)
    }

    /// The queues of the transport by name: their numbers, and whether they are paused.
    pub(super) fn queues(&self) -> Result<BTreeMap<String, (i64, bool)>, QueueError> {
        let sql = "SELECT q.name, q.id, q.paused FROM dispatch_queue q JOIN dispatch_transport t ON t.id = q.transport \
                   WHERE t.name = ?";
        let queues = self.all(sql, [self.transport], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(queues.into_iter().collect())
    }

    /// Pauses a queue, or lets it go on.
    pub(super) fn set_paused(&mut self, name: &Name, paused: bool) -> Result<(), QueueError> {
        let transport = self.transport_id()?;
        let queue = self.queue_id(transport, name)?;
        self.run("UPDATE dispatch_queue SET paused = ? WHERE id = ?", (paused, queue))?;
        self.woken |= !paused;
        Ok(())
    }

    /// Forgets some of the keys whose time is over, and some of the messages that were kept for long enough; whether there
    /// may be more.
    pub(super) fn sweep_some(&self) -> Result<bool, QueueError> {
        const SOME: i64 = 1_000;
        let keys = self.run(
            "DELETE FROM dispatch_key WHERE (transport, key) IN \
             (SELECT transport, key FROM dispatch_key WHERE until IS NOT NULL AND until <= ? LIMIT ?)",
            (self.now, SOME),
        )?;
        let kept = i64::try_from(self.limits.keep_done.as_millis()).unwrap_or(i64::MAX);
        // Other transports in the file may keep theirs for longer.
        let messages = self.run(
            "DELETE FROM dispatch_message WHERE seq IN \
             (SELECT seq FROM dispatch_message WHERE state IN (3, 4) AND settled <= ? AND queue IN \
             (SELECT q.id FROM dispatch_queue q JOIN dispatch_transport t ON t.id = q.transport WHERE t.name = ?) LIMIT ?)",
            (self.now.saturating_sub(kept), self.transport, SOME),
        )?;
        let full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= SOME);
        Ok(full(keys) || full(messages))
    }

    /// Forgets a key, if it is that of a message.
    pub(super) fn forget_key(&mut self, key: &str, id: Uuid) -> Result<(), QueueError> {
        let transport = self.transport_id()?;
        let sql = "DELETE FROM dispatch_key WHERE transport = ? AND key = ? AND message = ?";
        self.run(sql, (transport, key, id.into_bytes())).map(drop)
    }
}
