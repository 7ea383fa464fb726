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
//! | [`offset_keeping`](dispatch_core::log::TopicLog::offset_keeping) | from the average size of the records that are kept |
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

mod contract;
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
use std::time::Duration;

use async_nats::jetstream::stream::{Config, Republish};
use dispatch_core::log::{LogError, Offset, SyncPolicy};
use dispatch_core::{RegistrationError, Topic};

pub use options::JetStreamLogOptions;

use names::Names;
use reader::Readers;
use session::{Heads, Session};
use state::State;

use crate::log_options;
use crate::nats::{NatsOptions, NatsServer};
use crate::wire::{Deadline, Link};

/// A [`TopicLog`](dispatch_core::log::TopicLog) on NATS JetStream.
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

impl fmt::Debug for JetStreamLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLog").field("options", &self.options).finish_non_exhaustive()
    }
}
