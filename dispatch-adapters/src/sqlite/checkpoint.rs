//! Checkpoints, and flushes where commits are not flushed: on a thread and a connection of their own.
//!
//! - A checkpoint here never waits for the writer, and the writer never waits for it, unless the file that is written
//!   ahead has outgrown its limit because it was never caught up with.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dispatch_core::log::SyncPolicy;
use rusqlite::Connection;

use super::database;

/// Bytes that are appended between two checkpoints.
const EVERY_BYTES: usize = 4 * 1024 * 1024;
/// Commits between two checkpoints, however small.
const EVERY_COMMITS: usize = 1_024;
/// Frames of the file that is written ahead from which on the writer helps.
const TOO_MANY: i64 = 32_768;

#[derive(Debug, Default)]
struct Signs {
    /// Something was committed and not flushed.
    unflushed: AtomicBool,
    /// The writer has to help.
    behind: AtomicBool,
}

/// The writer's side.
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    signs: Arc<Signs>,
    thread: JoinHandle<()>,
    bytes: usize,
    commits: usize,
}

impl Checkpoints {
    pub(super) fn start(
        name: &str,
        connection: Connection,
        ahead: PathBuf,
        sync: SyncPolicy,
    ) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let signs = Arc::new(Signs::default());
        let flush = match sync {
            SyncPolicy::Interval { every } => Some((every, ahead)),
            _ => None,
        };
        let work = Work { connection, flush, signs: Arc::clone(&signs) };
        let thread = std::thread::Builder::new().name(format!("{name}-checkpoint"));
        let thread = thread.spawn(move || work.run(&woken))?;
        Ok(Self { wake, signs, thread, bytes: 0, commits: 0 })
    }

    /// Something was committed.
    pub(super) fn after(&mut self, connection: &Connection, bytes: usize) {
        self.signs.unflushed.store(true, Ordering::Release);
        self.bytes += bytes;
        self.commits += 1;
        if self.bytes < EVERY_BYTES && self.commits < EVERY_COMMITS {
            return;
        }
        (self.bytes, self.commits) = (0, 0);
        // If one is asked for already, that one will do.
        let _ = self.wake.try_send(());
        if self.signs.behind.swap(false, Ordering::AcqRel)
            && let Err(error) = database::checkpoint(connection, "PASSIVE")
        {
            tracing::warn!(%error, "a checkpoint failed; it will be tried again");
        }
    }

    pub(super) fn end(self) {
        drop(self.wake);
        // One that has panicked has ended as well.
        let _ = self.thread.join();
    }
}

struct Work {
    connection: Connection,
    flush: Option<(Duration, PathBuf)>,
    signs: Arc<Signs>,
}

impl Work {
    fn run(self, woken: &Receiver<()>) {
        let mut flushed = Instant::now();
        loop {
            let wait = match &self.flush {
                Some((every, _)) => woken.recv_timeout(every.saturating_sub(flushed.elapsed())),
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match wait {
                Ok(()) => self.checkpoint(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some((every, ahead)) = &self.flush
                && flushed.elapsed() >= *every
            {
                flushed = Instant::now();
                self.flush(ahead);
            }
        }
    }

    fn checkpoint(&self) {
        match database::checkpoint(&self.connection, "PASSIVE") {
            Ok((frames, _)) => self.signs.behind.store(frames > TOO_MANY, Ordering::Release),
            // The log is whole without it, and the next one does its work.
            Err(error) => tracing::warn!(%error, "a checkpoint failed; it will be tried again"),
        }
    }

    /// Flushes the file that is written ahead, which is where commits are.
    fn flush(&self, ahead: &PathBuf) {
        if self.signs.unflushed.swap(false, Ordering::AcqRel)
            && let Err(error) = File::open(ahead).and_then(|file| file.sync_data())
        {
            self.signs.unflushed.store(true, Ordering::Release);
            tracing::error!(%error, "the log could not be flushed; it will be tried again");
        }
    }
}
