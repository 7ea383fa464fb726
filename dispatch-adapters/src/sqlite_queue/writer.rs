//! The thread that writes.
//!
//! - It takes what waits, writes it in one transaction, commits once, and answers all of it. It never waits for more.
//! - Nothing is answered before its commit. What fails alone is answered alone: if a transaction of several requests
//!   fails, each is tried by itself.

use std::sync::Arc;

use dispatch_core::queue::{QueueError, Wakeups};
use dispatch_core::time::Clock;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::keeper::Keeper;
use super::questions::Reader;
use super::store::{Known, Limits, Store};
use super::{error, row};

/// Requests that share a commit, at most.
const TOGETHER: usize = 4_096;
/// Bytes after which a commit takes no more requests.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;

/// What the writer is asked to do.
pub(super) enum Request {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<()>),
}

/// Something to write, which can be tried again.
pub(super) trait Write: Send {
    /// Roughly how much it is.
    fn bytes(&self) -> usize;
    fn transport(&self) -> Arc<str>;
    fn apply(&mut self, store: &mut Store<'_>) -> Result<(), QueueError>;
    /// It was committed, or not.
    fn settle(self: Box<Self>, result: Result<(), QueueError>);
}

/// A step that is written, and who waits for its answer.
pub(super) struct Task<F, T> {
    pub(super) bytes: usize,
    pub(super) transport: Arc<str>,
    pub(super) step: F,
    pub(super) answer: Option<T>,
    pub(super) done: oneshot::Sender<Result<T, QueueError>>,
}

impl<F, T> Write for Task<F, T>
where
    F: FnMut(&mut Store<'_>) -> Result<T, QueueError> + Send,
    T: Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn transport(&self) -> Arc<str> {
        Arc::clone(&self.transport)
    }

    fn apply(&mut self, store: &mut Store<'_>) -> Result<(), QueueError> {
        self.answer = Some((self.step)(store)?);
        Ok(())
    }

    fn settle(self: Box<Self>, result: Result<(), QueueError>) {
        let Self { answer, done, .. } = *self;
        // Whoever has given up does not want to know.
        let _ = done.send(result.and_then(|()| answer.ok_or(QueueError::Closed)));
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: std::path::PathBuf,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) keeper: Keeper,
    pub(super) reader: Reader,
}

impl Writer {
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(mut request) = requests.blocking_recv() else { break };
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
            // Whoever holds the lock keeps back all of them.
            Err(Failed::Begin(error)) => {
                group.into_iter().for_each(|write| write.settle(Err(error.repeat())));
            }
            Err(Failed::Step(error)) if group.len() == 1 => {
                group.into_iter().for_each(|write| write.settle(Err(error.repeat())));
            }
            Err(Failed::Step(_)) => {
                for write in group {
                    let mut alone = vec![write];
                    let result = self.transact(&mut alone);
                    alone
                        .into_iter()
                        .for_each(|write| write.settle(result.as_ref().copied().map_err(Failed::repeat)));
                }
            }
        }
        self.keeper.after(bytes);
    }

    /// One transaction for all of a group.
    fn transact(&self, group: &mut [Box<dyn Write>]) -> Result<(), Failed> {
        let transports: Vec<_> = group.iter().map(|write| write.transport()).collect();
        // Ends in a rollback wherever this is left early.
        let transaction = Transaction::begin(self).map_err(Failed::Begin)?;
        let mut store = Store {
            connection: &self.connection,
            path: &self.path,
            limits: &self.limits,
            // After the lock was got: it may have taken a while.
            now: row::millis(self.clock.now()),
            transport: "",
            woken: false,
            known: Known::default(),
        };
        for (write, transport) in group.iter_mut().zip(&transports) {
            store.turn_to(transport);
            write.apply(&mut store).map_err(Failed::Step)?;
        }
        let woken = store.woken;
        transaction.commit().map_err(Failed::Step)?;
        if woken {
            self.wakeups.wake();
        }
        Ok(())
    }

    /// Refuses what still waits, and gives everything up.
    fn end(self, mut requests: mpsc::Receiver<Request>, closing: Option<oneshot::Sender<()>>) {
        requests.close();
        let mut waiting: Vec<_> = closing.into_iter().collect();
        while let Ok(request) = requests.try_recv() {
            match request {
                Request::Write(write) => write.settle(Err(QueueError::Closed)),
                Request::Close(done) => waiting.push(done),
            }
        }
        self.reader.end();
        self.keeper.end();
        drop(self.connection);
        for done in waiting {
            let _ = done.send(());
        }
    }
}

/// Where a transaction has failed.
enum Failed {
    /// It did not begin.
    Begin(QueueError),
    /// One of its steps failed, or its end.
    Step(QueueError),
}

impl Failed {
    fn repeat(&self) -> QueueError {
        match self {
            Self::Begin(error) | Self::Step(error) => error.repeat(),
        }
    }
}

/// A transaction that is rolled back unless it is committed.
struct Transaction<'a>(&'a Writer);

impl<'a> Transaction<'a> {
    fn begin(writer: &'a Writer) -> Result<Self, QueueError> {
        Self::run(&writer.connection, "BEGIN IMMEDIATE")
            .map_err(|error| error::of("beginning a transaction", &writer.path, error))?;
        Ok(Self(writer))
    }

    fn commit(self) -> Result<(), QueueError> {
        Self::run(&self.0.connection, "COMMIT").map_err(|error| error::of("committing", &self.0.path, error))
    }

    fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute(()).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let connection = &self.0.connection;
        if !connection.is_autocommit()
            && let Err(error) = Self::run(connection, "ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }
}
