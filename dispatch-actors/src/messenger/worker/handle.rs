use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::messenger::{MessengerError, StopReason, WorkerConfig};
use dispatch_core::queue::{QueueError, WorkerId};
use dispatch_metrics::WorkerMetrics;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::WorkerOptions;
use super::actor::WorkerActor;
use super::figures::Figures;
use super::protocol::{AskInfo, Drain, Scale, SetPaused};
use crate::messenger::Messenger;
use crate::messenger::metrics::AskMetrics;
use crate::{Engine, system};

/// A worker. It runs on the thread that started it, if that is one of an actix system, else on one of its own; and it goes
/// on when the handle is dropped.
#[derive(Debug, Clone)]
pub struct Worker {
    id: WorkerId,
    address: Addr<WorkerActor>,
    ended: watch::Receiver<Option<WorkerReport>>,
}

/// The worker has ended, and there is nobody to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the worker has ended: start another one")]
pub struct WorkerStopped;

/// How a worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its name in leases and histories.
    pub id: WorkerId,
    /// Whether it claims nothing until it is told to go on.
    pub paused: bool,
    /// Whether it claims nothing any more.
    pub stopping: bool,
    /// How many messages it handles at a time.
    pub concurrency: usize,
    /// Messages that are being handled.
    pub running: usize,
    /// Messages that it has, and has not begun with.
    pub waiting: usize,
    /// What it has done so far.
    pub so_far: WorkerReport,
}

/// What a worker has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerReport {
    /// Why it has ended, if it has.
    pub reason: Option<StopReason>,
    /// Messages that were handled.
    pub done: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Messages that have failed for good.
    pub failed: u64,
    /// Messages that were found to have expired.
    pub expired: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// Messages that were handed back before anybody had begun with them, since the worker was to end, or had no room any more
    /// when their transport had answered at last.
    pub handed_back: u64,
    /// How often a message was handed back until its rate lets it begin.
    pub held_back: u64,
    /// Leases that were lost while a message was in hand: somebody else handles it, too.
    pub lost: u64,
    /// What could not be written, or was and nobody said so, of messages that were handled: those of which it was not are
    /// handled once more, and the dead-letter target is not told of those that have failed.
    pub unwritten: u64,
    /// Messages that were still being handled at the deadline; they are tried again once their lease is over.
    pub abandoned: Vec<Uuid>,
    /// Messages that have failed and that the dead-letter target was not told of. They are in their transport all the same.
    pub untold: u64,
}

impl WorkerReport {
    /// Whether everything that was begun was ended, and all of it was written.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.abandoned.is_empty() && self.unwritten == 0
    }
}

/// The thread of a worker or of a scheduler could not be started.
pub(in crate::messenger) fn no_thread(error: std::io::Error) -> MessengerError {
    QueueError::failed("a thread cannot be started", error).into()
}

impl Worker {
    pub(in crate::messenger) fn start(
        messenger: Messenger,
        engine: Engine,
        config: WorkerConfig,
        options: WorkerOptions,
    ) -> Result<Self, MessengerError> {
        config.check()?;
        let probe = options.probe(&config)?;
        let names = config.transports.iter();
        let queues = names.map(|name| messenger.queue(name)).collect::<Result<Vec<_>, _>>()?;
        let id = WorkerId::new(format!("{}-{}", std::process::id(), Uuid::new_v4().simple()));
        let (report, ended) = watch::channel(None);
        let number = messenger.shared.roster.enter();
        let figures = Figures::new(&messenger, number, &config.transports);
        let shared = Arc::clone(&messenger.shared);
        let own = id.clone();
        let begin = move || {
            let (alive, stopped) = oneshot::channel();
            let figures = (figures, probe);
            let actor = WorkerActor::new(own, messenger, engine, config, queues, figures, (report, alive));
            (actor.start(), stopped)
        };
        let address = system::start("dispatch-worker", begin).map_err(no_thread)?;
        shared.roster.begin(number, address.clone().recipient().downgrade());
        Ok(Self { id, address, ended })
    }

    /// Its name in leases and histories: the process, and an id of its own.
    #[must_use]
    pub const fn id(&self) -> &WorkerId {
        &self.id
    }

    /// Claims nothing until it is told to go on; what it has goes on.
    pub fn pause(&self) {
        self.address.do_send(SetPaused(true));
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.address.do_send(SetPaused(false));
    }

    /// Handles so many messages at a time from now on, at least one.
    pub fn scale(&self, concurrency: usize) {
        self.address.do_send(Scale(concurrency));
    }

    /// How it is.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn info(&self) -> Result<WorkerInfo, WorkerStopped> {
        self.address.send(AskInfo).await.map_err(|_| WorkerStopped)
    }

    /// What it has done, and how it is, as metrics; those of all workers of a messenger are in
    /// [`Messenger::metrics`].
    ///
    /// # Errors
    /// If it has ended.
    pub async fn metrics(&self) -> Result<WorkerMetrics, WorkerStopped> {
        self.address.send(AskMetrics).await.map_err(|_| WorkerStopped)
    }

    /// Ends it: it claims nothing any more, hands back what nobody has begun with, waits for what is being handled, at
    /// most until the deadline, and leaves the rest to others.
    ///
    /// What is still being handled at the deadline is abandoned: the attempt counts, is recorded in the history of the
    /// message, and what its handler says is not listened to any more. It is tried again when the lease is over that it had
    /// at the deadline, and not before, so until then its handler is alone with it, though it is not waited for. A handler
    /// that may take longer than that has to end with its process, or to bear that another one begins meanwhile.
    ///
    /// Transports are given a few seconds more to answer. One that has ended already answers with its report.
    ///
    /// # Errors
    /// If it has died, and there is no report.
    pub async fn drain(&self, deadline: Duration) -> Result<WorkerReport, WorkerStopped> {
        self.address.do_send(Drain { deadline });
        self.ended().await
    }

    /// Waits until it ends: by a limit of its own, or because it is drained.
    ///
    /// # Errors
    /// If it has died, and there is no report.
    pub async fn ended(&self) -> Result<WorkerReport, WorkerStopped> {
        let mut ended = self.ended.clone();
        let report = ended.wait_for(Option::is_some).await.map_err(|_| WorkerStopped)?;
        report.clone().ok_or(WorkerStopped)
    }
}
