//! The thread that writes.
//!
//! - It takes what waits, writes it in one transaction, commits once, and answers all of it. It never waits for more.
//! - Nothing is seen or answered before its commit. What fails alone is answered alone: if a transaction of several
//!   requests fails, each is tried by itself.
//! - Between transactions it removes trimmed records, a few at a time.
//! - It is the last to leave: it ends the other threads, closes the database and gives up the folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use dispatch_core::log::LogError;
use dispatch_core::time::Clock;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::checkpoint::Checkpoints;
use super::folder::Folder;
use super::state::Shared;
use super::{database, error, record};

/// Requests that share a commit, at most.
const TOGETHER: usize = 4_096;
/// Bytes after which a commit takes no more requests.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;
/// Trimmed records that are removed at once, between commits.
const SWEEP: i64 = 2_048;
/// What removing them writes, roughly: their pages once more.
const SWEEP_BYTES: usize = 1024 * 1024;

/// What the writer is asked to do.
pub(super) enum Request {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<()>),
}

/// Something to write, which can be tried again.
pub(super) trait Write: Send {
    /// Roughly how much it is.
    fn bytes(&self) -> usize;
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), LogError>;
    /// It was committed, or not.
    fn settle(self: Box<Self>, result: Result<(), LogError>);
}

/// A step that is written, and who waits for its answer.
pub(super) struct Task<F, T> {
    pub(super) bytes: usize,
    pub(super) step: F,
    pub(super) answer: Option<T>,
    pub(super) done: oneshot::Sender<Result<T, LogError>>,
}

impl<F, T> Write for Task<F, T>
where
    F: FnMut(&mut Batch<'_>) -> Result<T, LogError> + Send,
    T: Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), LogError> {
        self.answer = Some((self.step)(batch)?);
        Ok(())
    }

    fn settle(self: Box<Self>, result: Result<(), LogError>) {
        let Self { answer, done, .. } = *self;
        // Whoever has given up does not want to know.
        let _ = done.send(result.and_then(|()| answer.ok_or(LogError::Closed)));
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoints: Checkpoints,
    pub(super) readers: Vec<JoinHandle<()>>,
    /// Topics that may have trimmed records left, and below which offset.
    pub(super) sweeps: BTreeMap<i64, i64>,
    pub(super) folder: Folder,
}

impl Writer {
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut closing = None;
        while closing.is_none() {
            let first = match requests.try_recv() {
                Ok(request) => Some(request),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) if self.sweep_idle() => continue,
                Err(mpsc::error::TryRecvError::Empty) => requests.blocking_recv(),
            };
            let Some(mut request) = first else { break };
            let (mut group, mut bytes) = (Vec::new(), 0);
            loop {
                match request {
                    Request::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                    Request::Write(write) => {
                        bytes += write.bytes();
                        group.push(write);
                    }
                }
                if group.len() >= TOGETHER || bytes >= TOGETHER_BYTES {
                    break;
                }
                match requests.try_recv() {
                    Ok(next) => request = next,
                    Err(_) => break,
                }
            }
            self.write(group, bytes);
        }
        self.end(requests, closing);
    }

    /// Writes a group, and answers it.
    fn write(&mut self, mut group: Vec<Box<dyn Write>>, bytes: usize) {
        if group.is_empty() {
            return;
        }
        match self.transact(&mut group) {
            Ok(()) => group.into_iter().for_each(|write| write.settle(Ok(()))),
            Err(error) if group.len() == 1 => {
                group.into_iter().for_each(|write| write.settle(Err(error.repeat())));
            }
            Err(_) => {
                for write in group {
                    let mut alone = vec![write];
                    let result = self.transact(&mut alone);
                    alone
                        .into_iter()
                        .for_each(|write| write.settle(result.as_ref().copied().map_err(LogError::repeat)));
                }
            }
        }
        self.checkpoints.after(&self.connection, bytes);
    }

    /// One transaction for all of a group.
    fn transact(&mut self, group: &mut [Box<dyn Write>]) -> Result<(), LogError> {
        let mut batch = Batch::new(&self.connection, &self.shared, record::nanos(self.clock.now()));
        // Ends in a rollback wherever this is left early.
        let transaction = Transaction::begin(&self.connection)?;
        for write in group.iter_mut() {
            write.apply(&mut batch)?;
        }
        batch.finish()?;
        transaction.commit()?;
        self.sweeps.extend(batch.publish());
        Ok(())
    }

    /// Removes some trimmed records; whether there may be more.
    fn sweep_idle(&mut self) -> bool {
        let Some((&topic, &below)) = self.sweeps.first_key_value() else { return false };
        match self.sweep(topic, below) {
            // Removing writes as well: without checkpoints a long sweep would fill the file ahead.
            Ok(true) => self.checkpoints.after(&self.connection, SWEEP_BYTES),
            Ok(false) => {
                self.sweeps.remove(&topic);
            }
            Err(error) => {
                // They are out of sight already. The next trim of the topic, or the next start, tries again.
                tracing::warn!(%error, "trimmed records could not be removed");
                self.sweeps.remove(&topic);
            }
        }
        true
    }

    /// Removes trimmed records of a topic, a few at most; whether it found any.
    fn sweep(&self, topic: i64, below: i64) -> Result<bool, LogError> {
        let (from, to) = (record::key(topic, 0), record::key(topic, below));
        let transaction = Transaction::begin(&self.connection)?;
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM record WHERE key >= ?1 AND key < min(?2, ?3 + \
                 (SELECT key FROM record WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT 1))",
            )
            .and_then(|mut delete| delete.execute((from, to, SWEEP)))
            .map_err(|error| error::of("removing trimmed records", error))?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    /// Refuses what still waits, and gives everything up.
    fn end(self, mut requests: mpsc::Receiver<Request>, closing: Option<oneshot::Sender<()>>) {
        requests.close();
        let mut waiting: Vec<_> = closing.into_iter().collect();
        while let Ok(request) = requests.try_recv() {
            match request {
                Request::Write(write) => write.settle(Err(LogError::Closed)),
                Request::Close(done) => waiting.push(done),
            }
        }
        self.checkpoints.end();
        for reader in self.readers {
            // One that has panicked has ended as well.
            let _ = reader.join();
        }
        if let Err(error) = database::checkpoint(&self.connection, "TRUNCATE") {
            tracing::warn!(%error, "the last checkpoint failed; the log is whole without it");
        }
        drop(self.connection);
        drop(self.folder);
        for done in waiting {
            let _ = done.send(());
        }
    }
}

/// A transaction that is rolled back unless it is committed.
struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, LogError> {
        Self::run(connection, "BEGIN IMMEDIATE")
            .map_err(|error| error::of("beginning a transaction", error))?;
        Ok(Self(connection))
    }

    fn commit(self) -> Result<(), LogError> {
        Self::run(self.0, "COMMIT").map_err(|error| error::of("committing", error))
    }

    fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute(()).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = Self::run(self.0, "ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }
}
