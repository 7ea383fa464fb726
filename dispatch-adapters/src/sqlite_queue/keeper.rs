//! A thread beside the writer, with a connection of its own: it makes the checkpoints, notices what other processes have
//! written, and answers what is quickly answered.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use dispatch_core::queue::Wakeups;
use rusqlite::Connection;

use super::questions::{Job, Questions};

/// How often to look whether another process has written: what it costs is a few reads of shared memory.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes that are written between two checkpoints.
const EVERY_BYTES: usize = 4 * 1024 * 1024;
/// Commits between two checkpoints, however small.
const EVERY_COMMITS: usize = 1_024;
/// The writer's side.
pub(super) struct Keeper {
    questions: Questions,
    thread: JoinHandle<()>,
    bytes: usize,
    commits: usize,
}

impl Keeper {
    pub(super) fn start(name: &str, connection: Connection, wakeups: Arc<Wakeups>) -> std::io::Result<Self> {
        let (questions, jobs) = Questions::new();
        let thread = std::thread::Builder::new().name(format!("{name}-keep"));
        let thread = thread.spawn(move || keep(&connection, &jobs, &wakeups))?;
        Ok(Self { questions, thread, bytes: 0, commits: 0 })
    }

    pub(super) fn questions(&self) -> Questions {
        self.questions.clone()
    }

    /// Something was committed.
    pub(super) fn after(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.commits += 1;
        if self.bytes >= EVERY_BYTES || self.commits >= EVERY_COMMITS {
            (self.bytes, self.commits) = (0, 0);
            // With this many waiting it is busy; the next one does its work.
            let _ = self.questions.ask(Box::new(checkpoint));
        }
    }

    pub(super) fn end(self) {
        self.questions.close();
        // One that has panicked has ended as well.
        let _ = self.thread.join();
    }
}

fn keep(connection: &Connection, jobs: &Receiver<Job>, wakeups: &Wakeups) {
    let mut seen = written(connection);
    loop {
        match jobs.recv_timeout(LOOK) {
            Ok(job) => job(connection),
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
