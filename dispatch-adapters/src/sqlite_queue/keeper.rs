//! A thread beside the writer, with a connection of its own: it makes the checkpoints, answers what only reads, and
//! notices what other processes have written.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use dispatch_core::queue::{QueueError, Wakeups};
use rusqlite::Connection;

/// How often to look whether another process has written: what it costs is a few reads of shared memory.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes that are written between two checkpoints.
const EVERY_BYTES: usize = 4 * 1024 * 1024;
/// Commits between two checkpoints, however small.
const EVERY_COMMITS: usize = 1_024;
/// Questions that wait, at most; whoever asks more is told that the queue is busy.
const WAITING: usize = 1_024;

/// Something to read.
type Job = Box<dyn FnOnce(&Connection) + Send>;

enum Order {
    Checkpoint,
    Read(Job),
}

/// Hands questions to the thread. It ends once this is closed.
#[derive(Clone)]
pub(super) struct Questions(Arc<RwLock<Option<SyncSender<Order>>>>);

impl Questions {
    pub(super) fn ask(&self, job: Job) -> Result<(), QueueError> {
        let orders = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let sent = orders.as_ref().ok_or(QueueError::Closed)?.try_send(Order::Read(job));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => QueueError::Unavailable {
                what: format!("{WAITING} questions wait for an answer already"),
                retry_in: Some(Duration::from_millis(100)),
                source: None,
            },
            TrySendError::Disconnected(_) => QueueError::Closed,
        })
    }

    fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The writer's side.
pub(super) struct Keeper {
    orders: SyncSender<Order>,
    questions: Questions,
    thread: JoinHandle<()>,
    bytes: usize,
    commits: usize,
}

impl Keeper {
    pub(super) fn start(
        name: &str,
        connection: Connection,
        wakeups: Arc<Wakeups>,
    ) -> std::io::Result<(Self, Questions)> {
        let (orders, taken) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name(format!("{name}-keep"));
        let thread = thread.spawn(move || keep(&connection, &taken, &wakeups))?;
        let questions = Questions(Arc::new(RwLock::new(Some(orders.clone()))));
        let keeper = Self { orders, questions: questions.clone(), thread, bytes: 0, commits: 0 };
        Ok((keeper, questions))
    }

    /// Something was committed.
    pub(super) fn after(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.commits += 1;
        if self.bytes >= EVERY_BYTES || self.commits >= EVERY_COMMITS {
            (self.bytes, self.commits) = (0, 0);
            // With this many waiting it is busy; the next one does its work.
            let _ = self.orders.try_send(Order::Checkpoint);
        }
    }

    pub(super) fn end(self) {
        self.questions.close();
        drop(self.orders);
        // One that has panicked has ended as well.
        let _ = self.thread.join();
    }
}

fn keep(connection: &Connection, orders: &Receiver<Order>, wakeups: &Wakeups) {
    let mut seen = written(connection);
    loop {
        match orders.recv_timeout(LOOK) {
            Ok(Order::Read(job)) => job(connection),
            Ok(Order::Checkpoint) => checkpoint(connection),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = written(connection);
        if now != seen {
            seen = now;
            wakeups.wake();
        }
    }
    checkpoint(connection);
}

/// What is different once another connection has committed something.
fn written(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}

fn checkpoint(connection: &Connection) {
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    if let Err(error) = done {
        // The queue is whole without it, and the next one does its work.
        tracing::warn!(%error, "a checkpoint failed; it will be tried again");
    }
}
