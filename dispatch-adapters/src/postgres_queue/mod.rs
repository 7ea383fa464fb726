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

use std::collections::HashMap;
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
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MessageQueue, Outcome, Page, QueueError, Settlement,
    StoredMessage, Submission, Wakeup, Wakeups,
};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use options::PostgresQueueOptions;

use self::claim::Extend;
use self::enqueue::{Enqueue, Plain};
use self::error::Step;
use self::gather::Gather;
use self::listener::Listener;
use self::people::{Cancel, CountAll, Find, List, Queues, Replay, SetPaused, Sweep};
use self::pool::Pool;
use self::settle::{Finish, Finished, Settle};
use self::shape::Shape;
use self::store::{Job, Store};
use self::work::Work;
use crate::postgres::server::Server;
use crate::queue_row;

/// A [`MessageQueue`] in PostgreSQL. A clone is the same queue.
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

#[async_trait]
impl MessageQueue for PostgresQueue {
    fn name(&self) -> &str {
        &self.work.shape.transport
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Server
    }

    fn poll_interval(&self) -> Option<Duration> {
        // Notifications are much sooner; this is for those that are lost with a connection.
        Some(Duration::from_secs(1))
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.check_open()?;
        let bodies = bodies(&submissions, self.options.max_message_bytes);
        let bytes = bodies.iter().flatten().map(Vec::len).sum();
        let is_plain = |submission: &Submission| {
            submission.message.idempotency_key.is_none() && submission.message.ordering_key.is_none()
        };
        let gathers = submissions.iter().all(is_plain)
            && submissions.len() <= gather::TOGETHER
            && bytes <= gather::TOGETHER_BYTES;
        if !gathers {
            return self.work.run(&Enqueue { submissions: &submissions, bodies: &bodies }).await;
        }
        let (mut sent, mut answers) = (Vec::new(), Vec::new());
        for (submission, body) in submissions.into_iter().zip(bodies) {
            answers.push(body.map(|body| {
                let stored = Enqueued::stored(submission.message.id);
                sent.push((submission, body));
                stored
            }));
        }
        if !sent.is_empty() {
            self.plain.ask(sent, bytes).await?;
        }
        Ok(answers)
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let seen = self.work.wakeups.seen();
        let claimed = self.work.claim(claim).await?;
        Ok(Claimed { seen, ..claimed })
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        let until = self.work.run(&Extend { tokens, lease }).await?;
        let of = |token: &LeaseToken| {
            let until = until.get(&claim::held(token)).copied();
            until.ok_or(QueueError::LeaseLost { id: token.id })
        };
        Ok(tokens.iter().map(of).collect())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.check_open()?;
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        settlements.iter().for_each(|settlement| *counts.entry(settlement.token.id).or_default() += 1);
        let alone = |settlement: &&Settlement| {
            matches!(settlement.outcome, Outcome::Done) && counts.get(&settlement.token.id) == Some(&1)
        };
        let tokens: Vec<_> =
            settlements.iter().filter(alone).map(|settlement| settlement.token.clone()).collect();
        let mut finished = self.finish(tokens).await?.into_iter();
        let mut answers = Vec::with_capacity(settlements.len());
        let (mut rest, mut places) = (Vec::new(), Vec::new());
        for (place, settlement) in settlements.iter().enumerate() {
            let lost = Err(QueueError::LeaseLost { id: settlement.token.id });
            answers.push(match if alone(&settlement) { finished.next() } else { None } {
                Some(Finished::Done) => Ok(()),
                Some(Finished::Lost) => lost,
                Some(Finished::Laned) | None => {
                    rest.push(settlement.clone());
                    places.push(place);
                    lost
                }
            });
        }
        if !rest.is_empty() {
            let settled = self.settle.ask(rest, 0).await?;
            for (place, settled) in places.into_iter().zip(settled) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = settled;
                }
            }
        }
        Ok(answers)
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.work.wakeups.wait(seen).await.ok_or(QueueError::Closed)
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        let mut total = Depth::default();
        self.work.run(&CountAll(queue)).await?.into_values().for_each(|depth| total += depth);
        Ok(total)
    }

    async fn depths(&self) -> Result<Vec<(Name, bool, Depth)>, QueueError> {
        let queues = self.queues().await?;
        let mut depths = self.work.run(&CountAll(None)).await?;
        let of = |(name, is_paused): (Name, bool)| {
            let depth = depths.remove(name.as_str()).unwrap_or_default();
            (name, is_paused, depth)
        };
        Ok(queues.into_iter().map(of).collect())
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.work.run(&Queues).await
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        self.work.run(&SetPaused(queue, paused)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.work.run(&Find(id)).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        self.work.run(&List(filter, page)).await
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        let max_bytes = self.options.max_message_bytes;
        self.work.run(&Replay { id, payload: payload.as_ref(), at, max_bytes }).await
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        self.check_open()?;
        let mut count = 0;
        for together in ids.chunks(people::TOGETHER) {
            count += self.work.run(&Cancel(together)).await?;
        }
        Ok(count)
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = Page { after, max: people::TOGETHER };
            let ids: Vec<_> = self.list(filter, page).await?.iter().map(|stored| stored.id).collect();
            count += self.work.run(&Cancel(&ids)).await?;
            after = ids.last().copied();
            if ids.len() < people::TOGETHER {
                return Ok(count);
            }
        }
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        while self.work.run(&Sweep).await? {}
        Ok(())
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.work.closed.store(true, Ordering::Release);
        self.work.wakeups.close();
        self.listener.end();
        self.work.pool.close();
        Ok(())
    }
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("options", &self.options).finish_non_exhaustive()
    }
}
