//! Questions to threads that have a connection of their own.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use dispatch_core::queue::QueueError;
use rusqlite::Connection;

/// Questions that wait, at most; whoever asks more is told that the queue is busy.
const WAITING: usize = 1_024;

/// What a thread does with its connection.
pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Hands questions to a thread. It ends once this is closed.
#[derive(Clone)]
pub(super) struct Questions(Arc<RwLock<Option<SyncSender<Job>>>>);

impl Questions {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (jobs, taken) = sync_channel(WAITING);
        (Self(Arc::new(RwLock::new(Some(jobs)))), taken)
    }

    pub(super) fn ask(&self, job: Job) -> Result<(), QueueError> {
        let jobs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let sent = jobs.as_ref().ok_or(QueueError::Closed)?.try_send(job);
        sent.map_err(|error| match error {
            TrySendError::Full(_) => QueueError::Unavailable {
                what: format!("{WAITING} questions wait for an answer already"),
                retry_in: Some(Duration::from_millis(100)),
                source: None,
            },
            TrySendError::Disconnected(_) => QueueError::Closed,
        })
    }

    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A thread that only answers: for whatever may look at very many messages, so that nobody waits for it who works.
pub(super) struct Reader {
    questions: Questions,
    thread: JoinHandle<()>,
}

impl Reader {
    pub(super) fn start(name: &str, connection: Connection) -> std::io::Result<Self> {
        let (questions, jobs) = Questions::new();
        let thread = std::thread::Builder::new().name(format!("{name}-read"));
        let thread = thread.spawn(move || jobs.into_iter().for_each(|job| job(&connection)))?;
        Ok(Self { questions, thread })
    }

    pub(super) fn questions(&self) -> Questions {
        self.questions.clone()
    }

    pub(super) fn end(self) {
        self.questions.close();
        // One that has panicked has ended as well.
        let _ = self.thread.join();
    }
}
