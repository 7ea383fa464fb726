//! The workers of a program that ends when it is asked to.

mod signals;

use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Scheduler, Worker, WorkerReport, WorkerStopped};
use signals::Watch;

/// Workers and schedulers that run until a signal, and are drained then.
///
/// ```no_run
/// # use dispatch_actors::Engine;
/// # use dispatch_actors::messenger::{Messenger, Workers};
/// # use dispatch_core::messenger::WorkerConfig;
/// # use std::process::ExitCode;
/// # use std::time::Duration;
/// # async fn run(messenger: Messenger, engine: Engine) -> Result<ExitCode, Box<dyn std::error::Error>> {
/// let worker = messenger.work(&engine, WorkerConfig::default())?;
/// let ended = Workers::new().with(worker).run_until_signal(Duration::from_secs(20)).await?;
/// messenger.close().await?;
/// Ok(ended.exit_code()) // 0, or 75 if work was left to others
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "signals are listened to while it runs"]
pub struct Workers {
    workers: Vec<Worker>,
    schedulers: Vec<Scheduler>,
}

/// What the workers of a program have done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkersReport {
    /// Whether they were asked to end; otherwise all of them have ended by themselves.
    pub asked: bool,
    /// A report for each worker, in their order; an error for one that has died.
    pub workers: Vec<Result<WorkerReport, WorkerStopped>>,
}

impl Workers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a worker, on whatever thread it runs.
    pub fn with(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// Adds a scheduler, which is stopped when the workers are asked to end.
    pub fn with_scheduler(mut self, scheduler: Scheduler) -> Self {
        self.schedulers.push(scheduler);
        self
    }

    /// Runs until all workers have ended by themselves, or the process gets SIGTERM or SIGINT (elsewhere Ctrl-C): then they
    /// are [drained](Worker::drain) with this deadline.
    ///
    /// A second signal ends the process at once, with the status [`UNFINISHED`](WorkersReport::UNFINISHED): what was in
    /// hand is handled by others when its lease is over. So does a handler that blocks the thread of the workers until some
    /// seconds after the deadline. Signals are listened to on a thread of their own, so nothing that blocks hides them. After
    /// this has returned the next one ends the process: with that status if one had come before, else with 128 and the number
    /// of the signal, as if nobody had listened. A program that listens to signals itself uses [`run_until`](Self::run_until).
    ///
    /// # Errors
    /// That signals cannot be listened to. The workers go on then.
    pub async fn run_until_signal(self, deadline: Duration) -> io::Result<WorkersReport> {
        let Watch { asked, ended } = signals::watch(deadline).await?;
        let asked = async {
            if asked.await.is_err() {
                // Nobody listens any more.
                std::future::pending::<()>().await;
            }
        };
        let report = self.run_until(asked, deadline).await;
        drop(ended);
        Ok(report)
    }

    /// Runs until all workers have ended by themselves, or something comes: then they are drained with this deadline. For
    /// programs that listen to signals themselves.
    pub async fn run_until(self, asked: impl Future<Output = ()>, deadline: Duration) -> WorkersReport {
        let Self { workers, schedulers } = self;
        let by_themselves = async {
            // Schedulers alone do not end by themselves.
            if workers.is_empty() && !schedulers.is_empty() {
                std::future::pending::<()>().await;
            }
            join_all(workers.iter().map(Worker::ended)).await
        };
        tokio::select! {
            biased;
            workers = by_themselves => WorkersReport { asked: false, workers },
            () = asked => {
                tracing::info!(workers = workers.len(), ?deadline, "the workers are asked to end");
                schedulers.iter().for_each(Scheduler::stop);
                let workers = join_all(workers.iter().map(|worker| worker.drain(deadline))).await;
                WorkersReport { asked: true, workers }
            }
        }
    }
}

impl FromIterator<Worker> for Workers {
    fn from_iter<I: IntoIterator<Item = Worker>>(workers: I) -> Self {
        Self { workers: workers.into_iter().collect(), schedulers: Vec::new() }
    }
}

impl WorkersReport {
    /// The exit status if something was left to others: abandoned at the deadline, handled and not written, or in the hands
    /// of a worker that has died. It is that of a failure that passes by itself (`EX_TEMPFAIL` of `sysexits`).
    pub const UNFINISHED: u8 = 75;

    /// Whether everything that was begun was ended, and all of it was written.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.workers.iter().all(|worker| worker.as_ref().is_ok_and(WorkerReport::is_clean))
    }

    /// The exit status of the process: 0 if it [is clean](Self::is_clean), otherwise [`UNFINISHED`](Self::UNFINISHED).
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(Self::UNFINISHED) }
    }
}
