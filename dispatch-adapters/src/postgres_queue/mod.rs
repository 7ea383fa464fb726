//! The queue of background messages in PostgreSQL: for several processes on several machines.
//!
//! ```text
//!   enqueue ──► what comes at the same time, in one statement ─┐
//!   claim ────► one statement: FOR UPDATE SKIP LOCKED ─────────┼─► a few connections ──► dispatch_* tables
//!   settle ───► what comes at the same time, in one statement ─┘                            │ NOTIFY at commit
//!   wait ◄───────────────── a connection that listens ◄─────────────────────────────────────┘
//! ```
//! - What is acknowledged was committed by the server, and survives what its configuration says.
//! - Any number of processes may work on one schema. Their workers get each message once, and a lease that runs out
//!   frees it for others. What is due is decided by the clock of the server.
//! - What it costs to claim depends neither on how many messages are scheduled nor on how many wait behind others of
//!   their ordering key: both are out of the way.
//! - Who waits is woken by whoever stores something, and looks once a second where a wake-up was lost with a connection.
//! - Messages with an ordering key or an idempotency key take a transaction of several statements, one after the other
//!   for each key; those without are gathered. Both wait for a transaction of [`outbox`] that has the same key.
//! - Connections that break are made anew by themselves, when they are needed. A call that was on one of them is
//!   answered with [`QueueError::Unavailable`], and may be made again: a message that is sent again with its id is not
//!   stored again, as long as it is there. One that was handled meanwhile is there if messages that are done are kept
//!   ([`keep_done`](PostgresQueueOptions::keep_done)) for longer than somebody asks again.
//! - Every body has a checksum. One that is not what was written is not handled: its message has failed, and is kept as
//!   it is.
//! - Messages that belong to a transaction of yours are stored with [`outbox`].
//!
//! # Tables
//! They are made by [`PostgresQueue::migrate`], or at the start with
//! [`migrating`](PostgresQueueOptions::migrating), and have a version: a queue does not open on tables that are older
//! or newer than those it knows. The names of all of them begin with `dispatch_`, in the schema of the options.
//!
//! The connections have settings of their own for planning, time-outs and isolation, so they are not to be shared
//! through a pooler that gives one connection to several clients in turn.

mod claim;
mod contract;
mod enqueue;
mod error;
mod gather;
mod insert;
mod lanes;
mod listener;
mod options;
pub mod outbox;
mod people;
mod pool;
mod row;
mod schema;
mod settle;
mod shape;
mod store;
mod work;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dispatch_core::RegistrationError;
use dispatch_core::error::Problem;
use dispatch_core::queue::{LeaseToken, QueueError, Settlement, Submission, Wakeups};

pub use options::PostgresQueueOptions;

use self::enqueue::Plain;
use self::error::Step;
use self::gather::Gather;
use self::listener::Listener;
use self::pool::Pool;
use self::settle::{Finish, Finished, Settle};
use self::shape::Shape;
use self::store::{Job, Store};
use self::work::Work;
use crate::postgres::server::Server;
use crate::queue_row;

/// A [`MessageQueue`](dispatch_core::queue::MessageQueue) in PostgreSQL. A clone is the same queue.
///
/// It lives on the runtime that it was opened on.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
///
/// use dispatch_adapters::model::messenger::{DispatchOptions, Message, MessengerConfig};
/// use dispatch_adapters::model::queue::{Claim, MessageQueue, Settlement, Submission, WorkerId};
/// use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
/// use serde_json::json;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = PostgresQueueOptions::new("env:DATABASE_URL").with_schema("queues");
/// PostgresQueue::migrate(&options).await?; // once, or whenever a program starts
/// let queue = PostgresQueue::open(options).await?;
/// let message = Message::new("SendMail", &json!({ "to": "ann@example.com" }))?;
/// let routing = MessengerConfig::default().check()?;
/// for planned in routing.plan(&message, &DispatchOptions::default(), SystemTime::now(), uuid::Uuid::now_v7)? {
///     queue.enqueue(vec![Submission::new(planned)]).await?; // and it is committed
/// }
/// let (worker, queues) = (WorkerId::new("one"), vec!["default".parse()?]);
/// let claimed = queue.claim(&Claim { worker, queues, max: 10, lease: Duration::from_secs(60) }).await?;
/// queue.settle(claimed.messages.into_iter().map(|leased| Settlement::done(leased.token)).collect()).await?;
/// queue.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresQueue {
    options: PostgresQueueOptions,
    work: Arc<Work>,
    plain: Gather<(Submission, Vec<u8>), ()>,
    finish: Gather<LeaseToken, Finished>,
    settle: Gather<Settlement, Result<(), QueueError>>,
    listener: Arc<Listener>,
}

/// Looks at the version of the tables.
struct Check;

#[async_trait]
impl Job for Check {
    type Answer = ();
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<()> {
        schema::check(store).await
    }
}

/// Makes the tables, or brings them to the newest version.
struct Migrate;

#[async_trait]
impl Job for Migrate {
    type Answer = ();

    async fn run(&self, store: &mut Store<'_>) -> Step<()> {
        schema::migrate(store, store.shape).await
    }
}

impl PostgresQueue {
    /// Opens the queue.
    ///
    /// # Errors
    /// - [`QueueError::NotMigrated`] if the tables are not there or are of an older version, [`QueueError::Newer`] if
    ///   they are of a later one.
    /// - [`QueueError::Unavailable`] if the server does not answer.
    /// - [`QueueError::Failed`] with every problem of the options, for a login that is refused, and for a database that
    ///   is not there.
    pub async fn open(options: PostgresQueueOptions) -> Result<Self, QueueError> {
        let work = Arc::new(work(&options)?);
        if options.migrate {
            work.run(&Migrate).await?;
        }
        work.run(&Check).await?;
        let listener = Arc::new(Listener::start(Arc::clone(&work)));
        let (storing, ending, settling) = (Arc::clone(&work), Arc::clone(&work), Arc::clone(&work));
        let plain = Gather::start(move |sent: Vec<(Submission, Vec<u8>)>| {
            let work = Arc::clone(&storing);
            async move {
                work.run(&Plain(&sent)).await?;
                Ok(vec![(); sent.len()])
            }
        });
        let finish = Gather::start(move |tokens: Vec<LeaseToken>| {
            let work = Arc::clone(&ending);
            async move { work.run(&Finish(&tokens)).await }
        });
        let settle = Gather::start(move |settlements: Vec<Settlement>| {
            let work = Arc::clone(&settling);
            async move { work.run(&Settle(&settlements)).await }
        });
        tracing::info!(
            transport = options.transport,
            server = work.pool.server.label,
            schema = options.schema,
            "the queue is open"
        );
        Ok(Self { options, work, plain, finish, settle, listener })
    }

    /// Makes the schema and the tables, or brings them to the newest version. Several processes may do so at once, and
    /// where there is nothing to do nothing is done.
    ///
    /// # Errors
    /// [`QueueError::Newer`] for tables of a later version, and as [`open`](Self::open).
    pub async fn migrate(options: &PostgresQueueOptions) -> Result<(), QueueError> {
        let work = work(options)?;
        let done = work.run(&Migrate).await;
        work.pool.close();
        done
    }

    /// Says that messages are done that each stand alone in a call; one answer per token.
    async fn finish(&self, tokens: Vec<LeaseToken>) -> Result<Vec<Finished>, QueueError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        self.finish.ask(tokens, 0).await
    }

    fn check_open(&self) -> Result<(), QueueError> {
        if self.work.closed.load(Ordering::Acquire) { Err(QueueError::Closed) } else { Ok(()) }
    }
}

/// What does the work, if the options are possible. Nothing is connected yet.
fn work(options: &PostgresQueueOptions) -> Result<Work, QueueError> {
    let server = RegistrationError::check(options.problems())
        .and_then(|()| Server::at("queue", &options.url, &options.tls))
        .map_err(|error| {
            let texts: Vec<_> = error.problems().iter().map(Problem::message).collect();
            QueueError::failed(format!("its options are not possible: {}", texts.join("; ")), error)
        })?;
    Ok(Work {
        pool: Pool::new(server, options.connections, options.timeout),
        shape: Shape::of(options, &options.transport),
        timeout: options.timeout,
        wakeups: Arc::new(Wakeups::default()),
        closed: AtomicBool::new(false),
    })
}

/// The bodies of messages, or why there is none.
fn bodies(submissions: &[Submission], limit: usize) -> Vec<Result<Vec<u8>, QueueError>> {
    let body = |submission: &Submission| {
        insert::check(&submission.message).and_then(|()| queue_row::body(&submission.message, limit))
    };
    submissions.iter().map(body).collect()
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("options", &self.options).finish_non_exhaustive()
    }
}
