//! The main loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatch_adapters::model::dispatch::DispatchResult;
use dispatch_adapters::{Engine, Refused, ShutdownReport};
use dispatch_examples::github::{self, Entry, Input};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use tokio::time::{MissedTickBehavior, interval};

use super::args::Args;
use super::error::JobError;
use super::handlers::{self, Archive};
use super::progress::Progress;
use super::report::{Report, Rest};
use super::results::Results;
use super::stop::{self, Signal};
use super::tally::Tally;

/// Events in flight at most.
const MAX_IN_FLIGHT: usize = 256;
/// Bytes of input in flight at most, however few events they are.
const MAX_BYTES_IN_FLIGHT: usize = 32 * 1024 * 1024;
/// How long what is under way may take after the last event.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// What the job has done, and why it ended early if it did.
pub(crate) struct Done {
    pub(crate) report: Report,
    pub(crate) stopped: Option<Signal>,
    pub(crate) failed: Option<JobError>,
}

pub(crate) async fn run(args: &Args) -> Result<Done, JobError> {
    let input = github::open(&args.source())?;
    let results = Results::create(args)?;
    let archive = Arc::new(Archive::default());
    let (sender, seen) = mpsc::unbounded_channel();
    let engine = handlers::engine(args.seed, &archive, sender)?;
    let mut job = Job {
        engine: &engine,
        signals: stop::listen(),
        stopped: None,
        in_flight: FuturesUnordered::new(),
        bytes_in_flight: 0,
        seen,
        results,
        progress: Progress::new(input.expected),
        tally: Tally::default(),
    };
    let begun = Instant::now();
    let failed = job.dispatch_all(input).await?;
    let shutdown = job.finish().await?;
    job.progress.finish();
    let unlisted = job.tally.unreadable - job.tally.unreadable_lines.len() as u64;
    if unlisted > 0 {
        job.progress.say(&format!("and {unlisted} more lines that cannot be read"));
    }
    let Some(metrics) = shutdown.metrics else { return Err(JobError::EngineGone) };
    let rest = Rest {
        abandoned: shutdown.abandoned,
        archived_bytes: archive.bytes(),
        elapsed: begun.elapsed(),
        interrupted: job.stopped.is_some(),
        metrics,
    };
    Ok(Done { stopped: job.stopped, failed, report: Report::new(job.tally, rest) })
}

struct Job<'a> {
    engine: &'a Engine,
    signals: Receiver<Signal>,
    stopped: Option<Signal>,
    /// Events that wait for their result, with the bytes they were read from.
    in_flight: FuturesUnordered<LocalBoxFuture<'a, (Answer, usize)>>,
    bytes_in_flight: usize,
    /// The results of all dispatches, from the engine's observer.
    seen: UnboundedReceiver<DispatchResult>,
    results: Results,
    progress: Progress,
    tally: Tally,
}

type Answer = Result<DispatchResult, Refused>;

impl Job<'_> {
    /// Reads and dispatches until the input ends, fails, or somebody wants to stop.
    async fn dispatch_all(&mut self, mut input: Input) -> Result<Option<JobError>, JobError> {
        let mut entries = VecDeque::new();
        let mut position = 0;
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while self.has_room()
                && let Some(entry) = entries.pop_front()
            {
                self.take(entry);
            }
            tokio::select! {
                biased;
                Some(signal) = self.signals.recv() => {
                    self.progress.say("interrupted: finishing what is in flight; once more stops at once");
                    self.stopped = Some(signal);
                    return Ok(None);
                }
                Some(result) = self.seen.recv() => self.ended(&result)?,
                Some((answer, bytes)) = self.in_flight.next() => self.answered(&answer, bytes),
                _ = ticks.tick() => {
                    self.results.flush()?;
                    self.progress.update(self.tally.read, position, self.in_flight.len());
                }
                batch = input.batches.recv(), if entries.is_empty() => match batch {
                    Some(Ok(batch)) => {
                        position = batch.position;
                        entries.extend(batch.entries);
                    }
                    Some(Err(error)) => return Ok(Some(error.into())),
                    None => return Ok(None),
                },
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
    }

    /// Dispatches an event, counts a line that is none.
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Event { event, bytes } => {
                self.tally.read += 1;
                self.bytes_in_flight += bytes;
                let (topic, envelope) = event.into_envelope();
                let engine = self.engine;
                let answer = async move { (engine.dispatch(topic, envelope).await, bytes) };
                self.in_flight.push(answer.boxed_local());
            }
            Entry::Unreadable { line, reason } => {
                if let Some(listed) = self.tally.unreadable(line, reason) {
                    self.progress.say(&format!("line {}: {}", listed.line, listed.reason));
                }
            }
        }
    }

    /// An event that was read has its answer.
    fn answered(&mut self, answer: &Answer, bytes: usize) {
        self.bytes_in_flight -= bytes;
        match answer {
            Ok(result) => self.tally.answered(result.status()),
            Err(_) => self.tally.refused += 1,
        }
    }

    /// A dispatch has ended: of an event, or of something that was emitted.
    fn ended(&mut self, result: &DispatchResult) -> Result<(), JobError> {
        self.tally.ended(result);
        self.results.write(result)
    }

    /// Ends the engine once everything in flight is done, and takes the last results.
    async fn finish(&mut self) -> Result<ShutdownReport, JobError> {
        let deadline = if self.stopped.is_some() { GRACE } else { PATIENCE };
        let shutdown = self.engine.shutdown(deadline);
        tokio::pin!(shutdown);
        let report = loop {
            tokio::select! {
                biased;
                Some(signal) = self.signals.recv() => {
                    if self.stopped.replace(signal).is_some() {
                        return Err(JobError::StoppedAtOnce);
                    }
                }
                Some(result) = self.seen.recv() => self.ended(&result)?,
                Some((answer, bytes)) = self.in_flight.next() => self.answered(&answer, bytes),
                report = &mut shutdown => break report.map_err(|_| JobError::EngineGone)?,
            }
        };
        // The engine has answered everything, so nothing waits here.
        while let Some((answer, bytes)) = self.in_flight.next().await {
            self.answered(&answer, bytes);
        }
        while let Ok(result) = self.seen.try_recv() {
            self.ended(&result)?;
        }
        self.results.flush()?;
        Ok(report)
    }
}
