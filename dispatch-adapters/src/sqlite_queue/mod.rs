//! The queue of background messages in a file: SQLite in this process, no server.
//!
//! ```text
//!   enqueue, claim, settle ─► writer thread: take what waits, one transaction, one commit, answer all
//!                                   │ commits                     ▲ what other processes commit wakes workers here
//!                                   ▼                             │
//!                            queue.db-wal ──► keeper thread: checkpoints, the names of queues
//!                                       └───► reader thread: answers to people, counts for metrics
//! ```
//! - What is acknowledged survives what the [`SyncPolicy`] says.
//! - Several processes may use one file, and the file may be one of yours, with tables of its own: see [`outbox`] for
//!   messages that belong to a transaction of yours.
//! - Every body has a checksum. One that is not what was written is not handled: its message has failed, and is kept as
//!   it is.
//! - What it costs to claim depends neither on how many messages are scheduled nor on how many wait behind others of
//!   their ordering key: both are out of the way.
//! - Whoever works together on a file uses one clock: it is that of the machine.

mod claim;
mod database;
mod enqueue;
mod error;
mod keeper;
mod lanes;
mod options;
pub mod outbox;
mod people;
mod questions;
mod row;
mod settle;
mod store;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::RegistrationError;
use dispatch_core::error::Problem;
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::Name;
use dispatch_core::queue::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MessageQueue, Page, QueueError, Settlement,
    StoredMessage, Submission, Wakeup, Wakeups,
};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use options::SqliteQueueOptions;

use keeper::Keeper;
use questions::{Questions, Reader};
use store::{Known, Limits, Store};
use writer::{Request, Task, Writer};

/// Requests that wait for the writer; more wait to be let in.
const WAITING: usize = 8_192;

/// A [`MessageQueue`] in a file.
///
/// Close it before the program ends; one that is dropped finishes what it was given and ends soon afterwards.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use dispatch_adapters::model::messenger::{DispatchOptions, Message, MessengerConfig};
/// use dispatch_adapters::model::queue::{Claim, MessageQueue, Settlement, Submission, WorkerId};
/// use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let queue = SqliteQueue::open(SqliteQueueOptions::new(folder.join("queue.db"))).await?;
/// let message = Message::new("SendMail", &json!({ "to": "ann@example.com" }))?;
/// let options = DispatchOptions::default();
/// let routing = MessengerConfig::default().check()?;
/// for planned in routing.plan(&message, &options, SystemTime::now(), uuid::Uuid::now_v7)? {
///     queue.enqueue(vec![Submission::new(planned)]).await?; // and it is on disk
/// }
/// let (worker, queues) = (WorkerId::new("one"), vec!["default".parse()?]);
/// let claimed = queue.claim(&Claim { worker, queues, max: 10, lease: Duration::from_secs(60) }).await?;
/// assert_eq!(claimed.messages.len(), 1);
/// queue.settle(claimed.messages.into_iter().map(|leased| Settlement::done(leased.token)).collect()).await?;
/// queue.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteQueue {
    options: SqliteQueueOptions,
    transport: Arc<str>,
    requests: mpsc::Sender<Request>,
    /// For what is quickly answered, also while somebody asks for much.
    keeper: Questions,
    /// For what may look at very many messages.
    reader: Questions,
    wakeups: Arc<Wakeups>,
    closed: Arc<AtomicBool>,
}

impl SqliteQueue {
    /// Opens the queue in a file, or makes one there.
    ///
    /// # Errors
    /// - [`QueueError::Newer`] for tables of a later version, [`QueueError::ReadOnly`], [`QueueError::Full`].
    /// - [`QueueError::Damaged`] for a file that is no database or is damaged.
    /// - [`QueueError::Failed`] with every problem of the options.
    pub async fn open(options: SqliteQueueOptions) -> Result<Self, QueueError> {
        RegistrationError::check(options.problems()).map_err(|error| {
            let texts: Vec<_> = error.problems().iter().map(Problem::message).collect();
            QueueError::failed(format!("its options are not possible: {}", texts.join("; ")), error)
        })?;
        let (requests, waiting) = mpsc::channel(WAITING);
        let (opened, answer) = oneshot::channel();
        let chosen = options.clone();
        let wakeups = Arc::new(Wakeups::default());
        let waked = Arc::clone(&wakeups);
        let thread = std::thread::Builder::new().name(format!("{}-write", options.transport));
        let spawned = thread.spawn(move || match start(&chosen, waked) {
            Err(error) => drop(opened.send(Err(error))),
            Ok(writer) => {
                // If nobody wants it any more it ends at once, since nobody can ask it for anything.
                let _ = opened.send(Ok((writer.keeper.questions(), writer.reader.questions())));
                writer.run(waiting);
            }
        });
        spawned.map_err(|error| error::of_file("starting a thread for", &options.path, error))?;
        let (keeper, reader) = answer.await.map_err(|_| ended())??;
        tracing::info!(
            transport = options.transport,
            file = %options.path.display(),
            promise = %options.sync,
            "the queue is open"
        );
        let transport = options.transport.as_str().into();
        Ok(Self { options, transport, requests, keeper, reader, wakeups, closed: Arc::default() })
    }

    /// Another transport in the same file, through the same writer. Whichever is closed first closes both.
    ///
    /// # Errors
    /// A name that no transport can have.
    pub fn transport(&self, name: &str) -> Result<Self, QueueError> {
        let name =
            Name::new(name).map_err(|error| QueueError::failed("no transport can have this name", error))?;
        let mut queue = self.clone();
        queue.transport = name.as_str().into();
        name.as_str().clone_into(&mut queue.options.transport);
        Ok(queue)
    }

    fn check_open(&self) -> Result<(), QueueError> {
        if self.closed.load(Ordering::Acquire) { Err(QueueError::Closed) } else { Ok(()) }
    }

    fn gone(&self) -> QueueError {
        if self.closed.load(Ordering::Acquire) { QueueError::Closed } else { ended() }
    }

    /// Has the writer do something.
    async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        step: impl FnMut(&mut Store<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.check_open()?;
        let (done, answer) = oneshot::channel();
        let transport = Arc::clone(&self.transport);
        let task = Request::Write(Box::new(Task { bytes, transport, step, answer: None, done }));
        self.requests.send(task).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// Asks one of the threads that only read.
    async fn read<T: Send + 'static>(
        &self,
        who: &Questions,
        read: impl FnOnce(&mut Store<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.check_open()?;
        let (done, answer) = oneshot::channel();
        let (options, transport) = (self.options.clone(), Arc::clone(&self.transport));
        who.ask(Box::new(move |connection| {
            // Whoever has given up does not want to know.
            if done.is_closed() {
                return;
            }
            let mut store = Store {
                connection,
                path: &options.path,
                limits: &Limits::of(&options),
                now: row::millis(options.clock.now()),
                transport: &transport,
                woken: false,
                known: Known::default(),
            };
            let _ = done.send(read(&mut store));
        }))?;
        answer.await.map_err(|_| self.gone())?
    }
}

impl Limits {
    fn of(options: &SqliteQueueOptions) -> Self {
        Self {
            per_key: options.per_key,
            keep_done: options.keep_done,
            max_message_bytes: options.max_message_bytes,
        }
    }
}

/// Opens the database, on the thread that will write, so that nobody's runtime is held up.
fn start(options: &SqliteQueueOptions, wakeups: Arc<Wakeups>) -> Result<Writer, QueueError> {
    let connection = database::open(options)?;
    let of = |error| error::of_file("starting a thread for", &options.path, error);
    let beside = database::open_beside(options)?;
    let keeper = Keeper::start(&options.transport, beside, Arc::clone(&wakeups)).map_err(of)?;
    let beside = database::open_beside(options)?;
    let reader = Reader::start(&options.transport, beside).map_err(of)?;
    Ok(Writer {
        connection,
        path: options.path.clone(),
        limits: Limits::of(options),
        clock: Arc::clone(&options.clock),
        wakeups,
        keeper,
        reader,
    })
}

fn ended() -> QueueError {
    QueueError::Failed { what: "its writer has ended; open it again".to_owned(), source: None }
}

#[async_trait]
impl MessageQueue for SqliteQueue {
    fn name(&self) -> &str {
        &self.transport
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.options.sync
    }

    fn poll_interval(&self) -> Option<Duration> {
        // The keeper sees other processes much sooner; this is for the case that it does not.
        Some(Duration::from_secs(1))
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        let limit = self.options.max_message_bytes;
        let bodies = submissions.iter().map(|submission| row::body(&submission.message, limit));
        let bodies: Vec<_> = bodies.collect();
        let bytes = bodies.iter().flatten().map(Vec::len).sum();
        self.write(bytes, move |store| {
            let each = submissions.iter().zip(&bodies).map(|(submission, body)| match body {
                Ok(body) => store.enqueue(submission, body),
                Err(error) => Ok(Err(error.repeat())),
            });
            each.collect()
        })
        .await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let seen = self.wakeups.seen();
        let claim = claim.clone();
        let claimed = self.write(0, move |store| store.claim(&claim)).await?;
        Ok(Claimed { seen, ..claimed })
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        let tokens = tokens.to_vec();
        self.write(0, move |store| {
            let extend = |token| store.extend(token, lease).map(|until| until.map(row::time));
            tokens.iter().map(extend).collect()
        })
        .await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.write(0, move |store| settlements.iter().map(|settlement| store.settle(settlement)).collect())
            .await
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.wakeups.wait(seen).await.ok_or(QueueError::Closed)
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        let queue = queue.cloned();
        self.read(&self.reader, move |store| store.depth(queue.as_ref())).await
    }

    async fn depths(&self) -> Result<Vec<(Name, bool, Depth)>, QueueError> {
        self.read(&self.reader, |store| store.depths()).await
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.read(&self.keeper, |store| {
            let queues = store.queues()?.into_iter();
            Ok(queues.filter_map(|(name, (_, paused))| Some((Name::new(&name).ok()?, paused))).collect())
        })
        .await
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        let queue = queue.clone();
        self.write(0, move |store| store.set_paused(&queue, paused)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.read(&self.keeper, move |store| store.find(id)).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        let filter = filter.clone();
        self.read(&self.reader, move |store| {
            Ok(store.list(&filter, page)?.into_iter().map(|found| found.stored).collect())
        })
        .await
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        self.write(0, move |store| store.replay(id, payload.as_ref(), at)).await?
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        let ids = ids.to_vec();
        self.write(0, move |store| {
            let mut count = 0;
            for id in &ids {
                count += u64::from(store.cancel(*id)?);
            }
            Ok(count)
        })
        .await
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        let (mut total, mut after) = (0, None);
        loop {
            let filter = filter.clone();
            let (count, last) = self.write(0, move |store| store.purge_some(&filter, after)).await?;
            total += count;
            after = last;
            if after.is_none() {
                return Ok(total);
            }
        }
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        while self.write(0, |store| store.sweep_some()).await? {}
        Ok(())
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.closed.store(true, Ordering::Release);
        self.wakeups.close();
        let (done, answer) = oneshot::channel();
        if self.requests.send(Request::Close(done)).await.is_ok() {
            // An answer that is lost is as good: the writer has ended.
            let _ = answer.await;
        }
        Ok(())
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueue").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
