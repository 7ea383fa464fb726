//! The topic log on NATS JetStream: a stream for each topic, and one for subscriptions.
//!
//! ```text
//!   append ──► PREFIX.t.TOPIC ──► stream of the topic        offset = number in the stream - 1
//!                                    │        │
//!                    number, no body │        │ consumers that the server forgets
//!                                    ▼        ▼
//!   tail   ◄── PREFIX.h.TOPIC               read
//!
//!   save, park ──► PREFIX.s.> ──► state stream: the last message of each subject
//! ```
//!
//! - A stream is made when its topic is first appended to. Who deletes it on the server, or messages in it, deletes the
//!   topic with its offsets, or leaves records that are reported as damaged; trim with the log.
//! - An acknowledged append is stored by the server. With the settings that servers come with, a loss of power can still
//!   take the last two minutes, or the stream; `sync_interval: always` of newer servers prevents it, and so do replicas
//!   that do not lose power together.
//! - Every record has a checksum over its topic and body. A read answers with what was appended or with a named error.
//! - Several processes may use one log. One subscription is for one of them at a time.
//! - While the server is away everything is refused at once as [`Unavailable`](LogError::Unavailable), or after the
//!   time-out if the connection broke meanwhile, and works again when it is back.
//!
//! # What differs from the other logs
//! | promise | here |
//! |---|---|
//! | a batch is stored whole or not at all | no: after an error some of it may be stored, and when the connection broke in the middle also later entries without earlier ones; an envelope that cannot be written and one that is too large are found before anything is sent |
//! | every entry is stored | yes, as long as [`deduplicate`](JetStreamLogOptions::deduplicate) is not set; with it, an envelope whose id the topic has seen within the window is answered with the offset that it has, and a retry after an error is stored once |
//! | the time of an append | that of the server, which never goes back within a stream |
//! | bytes of a topic | as the server counts them, with its overhead |
//! | [`offset_keeping`](TopicLog::offset_keeping) | from the average size of the records that are kept |
//! | wake-ups | of appends of every process; those while the connection is being made again are missed, and the heartbeat of the bus finds them |
//! | size of an entry, a cursor, a parked message | at most `max_payload` of the server, 1 MiB unless configured |
//! | a definition and its cursors are saved together | one after the other, the definition first |
//! | a log that ends below a cursor | is not refused when it is opened; a bus reports it when the subscription is opened |
//! | an offset is never given twice | no, if the server has lost the end of a stream (see above), or somebody has deleted the stream: a bus that runs then says so, and goes on where the stream ends now. It learns that from its next append or from two heartbeats; what another process has appended until then may be passed. A subscription that is not open meanwhile is refused only as long as the stream is shorter than its cursor |
//! | checksums of cursors and parked messages | those of the server |
//!
//! ```no_run
//! use dispatch_adapters::jetstream::{JetStreamLog, JetStreamLogOptions};
//! use dispatch_adapters::model::Envelope;
//! use dispatch_adapters::model::log::TopicLog as _;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let log = JetStreamLog::connect(JetStreamLogOptions::new("env:NATS_URL").with_prefix("orders")).await?;
//! let topic = "shop.order.events".parse()?;
//! log.append(&topic, vec![Envelope::empty("OrderPlaced").into()]).await?; // and a stream has it
//! # Ok(())
//! # }
//! ```

mod error;
mod names;
mod options;
mod reader;
mod session;
mod state;

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::stream::{Config, Republish};
use async_trait::async_trait;
use dispatch_core::delivery::DeadLetter;
use dispatch_core::log::{
    Cursor, LogBounds, LogEntry, LogError, LogRead, Offset, ReadLimit, StoredSubscription, SyncPolicy,
    TopicLog, TopicUsage,
};
use dispatch_core::uuid::Uuid;
use dispatch_core::{RegistrationError, Topic};
use serde_json::json;

pub use options::JetStreamLogOptions;

use names::Names;
use reader::Readers;
use session::{Heads, Outgoing, Session, Which};
use state::State;

use crate::log_options;
use crate::nats::{NatsOptions, NatsServer};
use crate::wire::{Deadline, Link};

/// A [`TopicLog`] on NATS JetStream.
pub struct JetStreamLog {
    options: JetStreamLogOptions,
    connection: NatsOptions,
    server: NatsServer,
    names: Names,
    link: Link<Session>,
    heads: Arc<Heads>,
    readers: Readers,
    /// Streams that were there.
    streams: Mutex<HashSet<String>>,
    closed: AtomicBool,
}

impl JetStreamLog {
    /// A log; nothing is connected yet, and its first use connects.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: JetStreamLogOptions) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let connection = options.connection();
        let server = NatsServer::of(&connection, None)?;
        Ok(Self {
            names: Names::new(&options.prefix),
            connection,
            server,
            link: Link::default(),
            heads: Arc::default(),
            readers: Readers::default(),
            streams: Mutex::default(),
            closed: AtomicBool::new(false),
            options,
        })
    }

    /// A log that is connected, and has the stream for subscriptions.
    ///
    /// # Errors
    /// - [`LogError::Failed`] with every problem of the options, or if the server refuses.
    /// - [`LogError::Unavailable`] if it does not answer; trying again may help.
    pub async fn connect(options: JetStreamLogOptions) -> Result<Self, LogError> {
        let log = Self::new(options).map_err(log_options::refused)?;
        let session = log.session().await?;
        log.state(&session).await?;
        tracing::info!(
            log = log.options.name,
            server = log.server.label,
            prefix = log.options.prefix,
            promise = %SyncPolicy::Server,
            "the topic log is connected"
        );
        Ok(log)
    }

    fn open(&self) -> Result<(), LogError> {
        if self.closed.load(Ordering::Acquire) { Err(LogError::Closed) } else { Ok(()) }
    }

    /// The connection, or a new one.
    async fn session(&self) -> Result<Arc<Session>, LogError> {
        self.open()?;
        let connect =
            || Session::connect(&self.server, &self.connection, self.names.heads(), Arc::clone(&self.heads));
        let made = self.link.get(Session::is_usable, connect);
        let made = Deadline::after(self.options.timeout).wait(&self.server.label, made).await;
        self.open()?;
        made.map_err(error::of_connection)
    }

    /// Makes a stream, unless it was there before.
    async fn ensure(&self, session: &Session, config: Config) -> Result<(), LogError> {
        if self.streams().contains(&config.name) {
            return Ok(());
        }
        let info = session.ensure(&config).await?;
        let wanted = config.description.unwrap_or_default();
        if info.config.description != wanted {
            return Err(LogError::Failed {
                what: format!(
                    "stream '{}' is of something else ('{}', not '{wanted}'); give this log another prefix, or \
                     remove that stream",
                    config.name, info.config.description
                ),
                source: None,
            });
        }
        self.streams().insert(config.name);
        Ok(())
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the stream of a topic is made.
    fn of_topic(&self, topic: &Topic) -> Config {
        let (name, subject) = (self.names.topic_stream(topic), self.names.topic_subject(topic));
        Config {
            description: Some(topic.to_string()),
            max_bytes: self.options.max_topic_bytes.and_then(|most| i64::try_from(most).ok()).unwrap_or(-1),
            duplicate_window: self.options.deduplicate.unwrap_or(Duration::from_millis(100)),
            republish: Some(Republish {
                source: subject.clone(),
                destination: self.names.head(topic),
                headers_only: true,
            }),
            ..session::stream(name, subject, self.options.replicas)
        }
    }

    /// Subscriptions, seen through a connection.
    async fn state<'a>(&'a self, session: &'a Session) -> Result<State<'a>, LogError> {
        let stream = self.names.state_stream();
        let config = Config {
            description: Some("subscriptions of a topic log, format 1".to_owned()),
            max_messages_per_subject: 1,
            duplicate_window: Duration::from_millis(100),
            ..session::stream(stream.clone(), self.names.state_subjects(), self.options.replicas)
        };
        // It is looked at each time, so that it is made again if somebody has deleted it.
        self.streams().remove(&stream);
        self.ensure(session, config).await?;
        Ok(State { names: &self.names, session, stream, limit: session.max_payload() })
    }

    /// A stream has lost its end, and with it perhaps what readers have fetched ahead.
    fn fell(&self, topic: &Topic, from: Offset, to: Offset) {
        self.heads.tails.fall(topic, from, to);
        self.readers.clear();
    }

    /// The state of a topic's stream, if it has one.
    async fn look(
        &self,
        topic: &Topic,
    ) -> Result<Option<(Arc<Session>, String, session::StreamState)>, LogError> {
        let (session, stream) = (self.session().await?, self.names.topic_stream(topic));
        let info = session.info(&stream).await?;
        Ok(info.map(|info| (session, stream, info.state)))
    }
}

#[async_trait]
impl TopicLog for JetStreamLog {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Server
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn deduplicates(&self) -> bool {
        self.options.deduplicate.is_some()
    }

    async fn append(&self, topic: &Topic, entries: Vec<LogEntry>) -> Result<Vec<Offset>, LogError> {
        let session = self.session().await?;
        let limit = self.options.max_entry_bytes.min(session.max_payload());
        let subject = self.names.topic_subject(topic);
        let message = |entry: LogEntry| {
            let id = self.options.deduplicate.map(|_| entry.envelope.id());
            Ok(Outgoing { subject: subject.clone(), body: reader::encode(topic, entry, limit)?, id })
        };
        let messages = entries.into_iter().map(message).collect::<Result<Vec<_>, LogError>>()?;
        let before = self.heads.tails.head(topic);
        let config = self.of_topic(topic);
        let stream = config.name.clone();
        self.ensure(&session, config).await?;
        let numbers = match session.store(&stream, messages).await {
            Ok(numbers) => numbers,
            Err(error) => {
                // It may be gone; the next append looks.
                self.streams().remove(&stream);
                return Err(error);
            }
        };
        let (first, last) = (numbers.iter().min(), numbers.iter().max());
        if let Some((first, last)) =
            first.zip(last).map(|(first, last)| (Offset::new(*first), Offset::new(*last)))
        {
            if first <= before && !self.deduplicates() {
                self.fell(topic, before, last);
            }
            self.heads.tails.advance(topic, last);
        }
        Ok(numbers.into_iter().map(|number| Offset::new(number.saturating_sub(1))).collect())
    }

    async fn read(&self, topic: &Topic, from: Offset, limit: ReadLimit) -> Result<LogRead, LogError> {
        let session = self.session().await?;
        self.readers.read(&session, &self.names.topic_stream(topic), topic, from, limit).await
    }

    async fn bounds(&self, topic: &Topic) -> Result<LogBounds, LogError> {
        let found = self.look(topic).await?;
        Ok(found.map_or_else(LogBounds::default, |(_, _, state)| reader::bounds(&state)))
    }

    async fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let session = self.session().await?;
        let mut topics = Vec::new();
        for stream in session.streams(&self.names.topic_subjects()).await? {
            match stream.config.description.parse::<Topic>() {
                // A stream of somebody else may take the same subjects.
                Ok(topic) if self.names.topic_stream(&topic) == stream.config.name => topics.push(topic),
                _ => {}
            }
        }
        topics.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        topics.dedup();
        Ok(topics)
    }

    async fn tail(&self, topic: &Topic, seen: Offset) -> Result<Offset, LogError> {
        self.heads.know(topic);
        let before = self.heads.tails.head(topic);
        let bounds = self.bounds(topic).await?;
        if bounds.head < before {
            self.fell(topic, before, bounds.head);
        }
        self.heads.tails.advance(topic, bounds.head);
        let closed = || self.closed.load(Ordering::Acquire);
        self.heads.tails.wait(topic, seen, closed).await.ok_or(LogError::Closed)
    }

    async fn offset_at(&self, topic: &Topic, time: SystemTime) -> Result<Offset, LogError> {
        let Some((session, stream, state)) = self.look(topic).await? else { return Ok(Offset::ZERO) };
        // The server's times never fall, so they can be searched.
        let bounds = reader::bounds(&state);
        let (mut low, mut high) = (bounds.oldest.get(), bounds.head.get());
        while low < high {
            let middle = low.midpoint(high);
            let message = session.message(&stream, Which::Number(middle + 1)).await?;
            // One that was trimmed meanwhile is older than all that are kept.
            match message {
                Some(message) if SystemTime::from(message.time) >= time => high = middle,
                _ => low = middle + 1,
            }
        }
        Ok(Offset::new(low))
    }

    async fn usage(&self, topic: &Topic) -> Result<TopicUsage, LogError> {
        let found = self.look(topic).await?;
        Ok(found.map_or_else(TopicUsage::default, |(_, _, state)| TopicUsage {
            records: reader::bounds(&state).len(),
            bytes: state.bytes,
        }))
    }

    async fn offset_keeping(&self, topic: &Topic, bytes: u64) -> Result<Offset, LogError> {
        let Some((_, _, state)) = self.look(topic).await? else { return Ok(Offset::ZERO) };
        let bounds = reader::bounds(&state);
        let each = state.bytes.div_ceil(state.messages.max(1)).max(1);
        let fit = (bytes / each).min(bounds.len());
        Ok(Offset::new(bounds.head.get().saturating_sub(fit)))
    }

    async fn trim(&self, topic: &Topic, below: Offset) -> Result<LogBounds, LogError> {
        let Some((session, stream, state)) = self.look(topic).await? else {
            return Ok(LogBounds::default());
        };
        let bounds = reader::bounds(&state);
        let below = below.min(bounds.head);
        if below <= bounds.oldest {
            return Ok(bounds);
        }
        // The number itself stays.
        session.purge(&stream, &json!({ "seq": below.get() + 1 })).await?;
        self.bounds(topic).await
    }

    async fn save(&self, subscription: &StoredSubscription) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.save(subscription).await
    }

    async fn save_cursors(&self, subscription: &str, cursors: Vec<Cursor>) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.save_cursors(subscription, &cursors).await
    }

    async fn load(&self, subscription: &str) -> Result<Option<StoredSubscription>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.load(subscription).await
    }

    async fn subscriptions(&self) -> Result<Vec<String>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.subscriptions().await
    }

    async fn remove(&self, subscription: &str) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.remove(subscription).await
    }

    async fn floor(&self, topic: &Topic) -> Result<Option<Offset>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.floor(topic).await
    }

    async fn park(&self, subscription: &str, letters: Vec<Arc<DeadLetter>>) -> Result<(), LogError> {
        let session = self.session().await?;
        self.state(&session).await?.park(subscription, &letters).await
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Option<Uuid>,
        max: usize,
    ) -> Result<Vec<Arc<DeadLetter>>, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.parked(subscription, after, max).await
    }

    async fn parked_count(&self, subscription: &str) -> Result<u64, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.parked_count(subscription).await
    }

    async fn unpark(&self, subscription: &str, ids: &[Uuid]) -> Result<u64, LogError> {
        let session = self.session().await?;
        self.state(&session).await?.unpark(subscription, ids).await
    }

    async fn close(&self) -> Result<(), LogError> {
        self.closed.store(true, Ordering::Release);
        self.heads.tails.wake_all();
        self.readers.clear();
        self.link.forget();
        Ok(())
    }
}

impl fmt::Debug for JetStreamLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLog").field("options", &self.options).finish_non_exhaustive()
    }
}
