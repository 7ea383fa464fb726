//! The topic log in a folder: SQLite in this process, no server.
//!
//! ```text
//!   append ─► encode ─► queue ─► writer thread: take what waits, one transaction, one commit, answer all
//!                                    │ commits                        │ now and then
//!                                    ▼                                ▼
//!                         log.db-wal, flushed by policy ──► checkpoint thread ──► log.db
//!                                    ▲
//!   read ─► queue ─► reader threads, a connection each
//! ```
//!
//! - What is acknowledged survives what the [`SyncPolicy`] says. Records, cursors and parked messages are in one
//!   database, so a relaxed policy that loses the newest of them loses them together: a log without gaps, and no
//!   cursor past its end.
//! - Every record has a checksum over its topic, offset, time and body. A read answers with what was appended or with
//!   a named error. How far topics reach and the subscriptions have checksums as well, and are counted.
//! - What is damaged at the end of the file that is written ahead cannot be told from what was never committed: SQLite
//!   leaves it out. If a cursor shows that records are missing, [`SqliteLog::open`] says so.
//! - A folder belongs to one process. Trimmed room is used again; the file does not get smaller.
//!
//! SQLite flushes with `fdatasync` if it is built with `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` in the environment, which
//! on Linux saves a third of the time of a commit.

mod batch;
mod checkpoint;
mod database;
mod error;
mod folder;
mod options;
mod queries;
mod reader;
mod record;
mod start;
mod state;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_core::{RegistrationError, Topic};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use options::SqliteLogOptions;

use batch::Batch;
use reader::Readers;
use start::Started;
use state::{Shared, TopicRow};
use writer::{Request, Task};

use crate::log_options;

/// Requests that wait for the writer; more wait to be let in.
const WAITING: usize = 8_192;

/// A [`TopicLog`] in a folder.
///
/// Close it before the program ends, so that the folder is free at once; a log that is dropped finishes what it was
/// given and gives the folder up soon afterwards.
///
/// ```
/// use dispatch_adapters::model::log::{Offset, ReadLimit, TopicLog};
/// use dispatch_adapters::model::{Envelope, Topic};
/// use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let log = SqliteLog::open(SqliteLogOptions::new(folder.join("orders"))).await?;
/// let topic: Topic = "shop.order.events".parse()?;
/// let offsets = log.append(&topic, vec![Envelope::empty("OrderPlaced").into()]).await?;
/// assert_eq!(offsets, [Offset::ZERO]); // and it is on disk
/// let read = log.read(&topic, Offset::ZERO, ReadLimit::records(10)).await?;
/// assert_eq!(read.records.len(), 1);
/// log.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct SqliteLog {
    options: SqliteLogOptions,
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    readers: Readers,
}

impl SqliteLog {
    /// Opens the log in a folder, or makes one there. It takes as long for a full log as for an empty one.
    ///
    /// # Errors
    /// - [`LogError::Locked`] if another process has it, or another log of this one.
    /// - [`LogError::EndsBelowCursor`] if records are missing that a subscription has passed;
    ///   [`SqliteLogOptions::lowering_cursors`] goes on without them.
    /// - [`LogError::Newer`], [`LogError::ReadOnly`], [`LogError::Full`], and [`LogError::Failed`] for a database that is
    ///   damaged, and with every problem of the options.
    pub async fn open(options: SqliteLogOptions) -> Result<Self, LogError> {
        RegistrationError::check(options.problems()).map_err(log_options::refused)?;
        let (requests, waiting) = mpsc::channel(WAITING);
        let (opened, answer) = oneshot::channel();
        let chosen = options.clone();
        let thread = std::thread::Builder::new().name(format!("{}-write", options.name));
        let spawned = thread.spawn(move || match start::start(&chosen) {
            Err(error) => drop(opened.send(Err(error))),
            Ok((started, writer)) => {
                // If nobody wants it any more it ends at once, since nobody can ask it for anything.
                let _ = opened.send(Ok(started));
                writer.run(waiting);
            }
        });
        spawned.map_err(|error| error::of_file("starting a thread for", &options.folder, error))?;
        let Started { shared, readers } = answer.await.map_err(|_| ended())??;
        tracing::info!(
            log = options.name,
            folder = %options.folder.display(),
            promise = %options.sync,
            "the topic log is open"
        );
        Ok(Self { options, shared, requests, readers })
    }

    /// Has the writer do something.
    async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        step: impl FnMut(&mut Batch<'_>) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        self.shared.open()?;
        let (done, answer) = oneshot::channel();
        let task = Request::Write(Box::new(Task { bytes, step, answer: None, done }));
        let gone = || if self.shared.is_closed() { LogError::Closed } else { ended() };
        self.requests.send(task).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Reads something of a topic that is there. If the topic was trimmed meanwhile, what it was read for may be gone,
    /// so it is read again.
    async fn look<T: Send + 'static>(
        &self,
        topic: &Topic,
        look: impl Fn(&Connection, &Topic, &TopicRow) -> Result<T, LogError> + Clone + Send + 'static,
    ) -> Result<Option<(TopicRow, T)>, LogError> {
        self.shared.open()?;
        let Some(mut known) = self.shared.topic(topic) else { return Ok(None) };
        loop {
            let (look, named) = (look.clone(), topic.clone());
            match self.readers.read(move |connection| look(connection, &named, &known)).await {
                Ok(found) => return Ok(Some((known, found))),
                Err(error) => match self.shared.topic(topic) {
                    Some(now) if now.oldest > known.oldest => known = now,
                    _ => return Err(error),
                },
            }
        }
    }
}

fn ended() -> LogError {
    LogError::Failed { what: "its writer has ended; open it again".to_owned(), source: None }
}

#[async_trait]
impl TopicLog for SqliteLog {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        self.options.sync
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        self.shared.open()?;
        let encode = |entry| record::encode(topic, entry, self.options.max_entry_bytes);
        let bodies = entries.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let (count, bytes) = (bodies.len() as u64, bodies.iter().map(Vec::len).sum());
        let topic = topic.clone();
        let first = self.write(bytes, move |batch| batch.append(&topic, &bodies)).await?;
        Ok(first.range(count).collect())
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let from = record::stored(from);
        let look = move |connection: &Connection, topic: &Topic, known: &TopicRow| {
            let from = from.max(known.oldest);
            if from >= known.head {
                return Ok(Vec::new());
            }
            queries::records(connection, topic, known, from, limit)
        };
        let found = self.look(topic, look).await?;
        Ok(found
            .map_or_else(LogRead::default, |(known, records)| LogRead { records, bounds: known.bounds() }))
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        self.shared.open()?;
        Ok(self.shared.topic(topic).map_or_else(LogBounds::default, |row| row.bounds()))
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.shared.open()?;
        let mut topics: Vec<_> = self.shared.committed().topics.keys().cloned().collect();
        topics.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(topics)
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.shared.tails.wait(topic, seen, || self.shared.is_closed()).await.ok_or(LogError::Closed)
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        let look = move |connection: &Connection, topic: &Topic, known: &TopicRow| {
            queries::offset_at(connection, topic, known, time)
        };
        Ok(self.look(topic, look).await?.map_or(Offset::ZERO, |(_, offset)| offset))
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        let found = self.look(topic, queries::bytes).await?;
        Ok(found.map_or_else(TopicUsage::default, |(known, bytes)| TopicUsage {
            records: known.bounds().len(),
            bytes,
        }))
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        let look = move |connection: &Connection, topic: &Topic, known: &TopicRow| {
            queries::offset_keeping(connection, topic, known, bytes)
        };
        Ok(self.look(topic, look).await?.map_or(Offset::ZERO, |(_, offset)| offset))
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        let topic = topic.clone();
        self.write(0, move |batch| Ok(batch.trim(&topic, below))).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let subscription = subscription.clone();
        self.write(0, move |batch| {
            batch.save(&subscription);
            Ok(())
        })
        .await
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        let name = subscription.to_owned();
        self.write(0, move |batch| {
            batch.save_cursors(&name, &cursors);
            Ok(())
        })
        .await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        self.shared.open()?;
        Ok(self.shared.committed().subscriptions.get(subscription).cloned())
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        self.shared.open()?;
        Ok(self.shared.committed().subscriptions.keys().cloned().collect())
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        let name = subscription.to_owned();
        self.write(0, move |batch| batch.remove(&name)).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        self.shared.open()?;
        let committed = self.shared.committed();
        let cursors = committed.subscriptions.values().flat_map(|stored| &stored.cursors);
        Ok(cursors.filter(|cursor| cursor.topic == *topic).map(|cursor| cursor.next).min())
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        self.shared.open()?;
        let encode = |letter: &Arc<DeadLetter>| match serde_json::to_vec(letter) {
            Ok(body) => Ok((letter.id, body)),
            // What serde says may hold a value of the payload.
            Err(_) => Err(LogError::NotStorable {
                what: format!("the message of dead letter {} refuses to be written as JSON", letter.id),
            }),
        };
        let letters = letters.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let (name, bytes) = (subscription.to_owned(), letters.iter().map(|(_, body)| body.len()).sum());
        self.write(bytes, move |batch| batch.park(&name, &letters)).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        self.shared.open()?;
        let name = subscription.to_owned();
        self.readers.read(move |connection| queries::parked(connection, &name, after, max)).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        self.shared.open()?;
        let name = subscription.to_owned();
        self.readers.read(move |connection| queries::parked_count(connection, &name)).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let (name, ids) = (subscription.to_owned(), ids.to_vec());
        self.write(0, move |batch| batch.unpark(&name, &ids)).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.shared.close();
        self.readers.close();
        let (done, answer) = oneshot::channel();
        if self.requests.send(Request::Close(done)).await.is_ok() {
            // An answer that is lost is as good: the writer has ended, and the folder is free.
            let _ = answer.await;
        }
        Ok(())
    }
}

impl fmt::Debug for SqliteLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLog").field("options", &self.options).finish_non_exhaustive()
    }
}
