use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::error::Problem;
use dispatch_core::messenger::Name;
use dispatch_core::time::Clock;
use tokio_postgres::config::SslMode;

use crate::postgres::PostgresOptions;
use crate::postgres::server;
use crate::tls::TlsOptions;
use crate::wire::{Checks, ServerUrl};

/// What the server can take in one value, with room for what is beside the message.
const MOST_MESSAGE_BYTES: usize = 256 * 1024 * 1024;
/// The longest name that the server keeps whole.
const MOST_NAME_BYTES: usize = 63;

/// Where a [`PostgresQueue`](super::PostgresQueue) is, and what it promises.
///
/// ```
/// use dispatch_adapters::postgres_queue::PostgresQueueOptions;
///
/// let mut options = PostgresQueueOptions::new("postgres://app:hunter2@db/shop").with_schema("queues");
/// assert!(options.problems().is_empty());
/// assert!(!format!("{options:?}").contains("hunter2"));
/// options.per_key = 0;
/// assert_eq!(options.problems()[0].message(), "queue: per_key is 0: use at least 1");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresQueueOptions {
    /// `postgres://user:password@host:port/database`, or `env:NAME` or `file:PATH` for what holds one; with
    /// `?sslmode=require` for TLS. Nothing shows the user, the password or the query.
    pub url: ServerUrl,
    /// Whose certificates are trusted, where the URL asks for TLS.
    pub tls: TlsOptions,
    /// The name of the transport. Those of one schema are apart from each other.
    pub transport: String,
    /// The schema that the tables are in. It may hold others; nothing is touched but what is named `dispatch_`.
    pub schema: String,
    /// Most messages of one ordering key that have begun and are not settled. Whoever works together uses one number.
    pub per_key: usize,
    /// How long messages are kept that are done or have expired; with zero they are not kept.
    pub keep_done: Duration,
    /// Most bytes of a message as it is stored.
    pub max_message_bytes: usize,
    /// Most connections to work with; one more listens.
    pub connections: usize,
    /// How long one call may take: to get a connection, to wait for others, and for the answer of the server.
    pub timeout: Duration,
    /// Whether opening the queue runs the migrations.
    pub migrate: bool,
    /// The clock that decides what is due; that of the server if absent, so that everybody has the same.
    pub clock: Option<Arc<dyn Clock>>,
}

impl PostgresQueueOptions {
    /// The transport `default` in the schema `public` of a database, which has to have been migrated.
    pub fn new(url: impl Into<ServerUrl>) -> Self {
        Self {
            url: url.into(),
            tls: TlsOptions::default(),
            transport: "default".to_owned(),
            schema: "public".to_owned(),
            per_key: 1,
            keep_done: Duration::ZERO,
            max_message_bytes: 16 * 1024 * 1024,
            connections: 4,
            timeout: Duration::from_secs(30),
            migrate: false,
            clock: None,
        }
    }

    /// Sets whose certificates are trusted.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the name of the transport.
    #[must_use]
    pub fn with_transport(mut self, name: impl Into<String>) -> Self {
        self.transport = name.into();
        self
    }

    /// Sets the schema of the tables.
    #[must_use]
    pub fn with_schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Sets how many messages of one ordering key are handled at a time.
    #[must_use]
    pub const fn with_per_key(mut self, per_key: usize) -> Self {
        self.per_key = per_key;
        self
    }

    /// Keeps messages for a while that are done or have expired.
    #[must_use]
    pub const fn keeping_done(mut self, time: Duration) -> Self {
        self.keep_done = time;
        self
    }

    /// Sets the most bytes of a message.
    #[must_use]
    pub const fn with_max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets the most connections to work with.
    #[must_use]
    pub const fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets how long one call may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the migrations when the queue is opened. The user of the URL has to be allowed to make tables; where it is
    /// not, run [`PostgresQueue::migrate`](super::PostgresQueue::migrate) as somebody who is.
    #[must_use]
    pub const fn migrating(mut self) -> Self {
        self.migrate = true;
        self
    }

    /// Takes the time from another clock than the server's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Everything that is wrong with it, sorted.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::of("queue");
        if let Some(url) = checks.url(&self.url, PostgresOptions::SCHEMES)
            && let Some((_, mode)) = server::settled(&url, &mut checks)
        {
            checks.tls(mode == SslMode::Require, &self.tls, "postgres://host/database?sslmode=require");
        }
        if let Err(error) = Name::new(&self.transport) {
            error.problems().iter().for_each(|text| checks.add(format_args!("transport: {text}")));
        }
        if !(1..=MOST_NAME_BYTES).contains(&self.schema.len()) || self.schema.contains('\0') {
            checks.add(format_args!("schema: use 1 to {MOST_NAME_BYTES} bytes without a zero among them"));
        }
        if self.per_key == 0 {
            checks.add("per_key is 0: use at least 1");
        }
        if !(1..=MOST_MESSAGE_BYTES).contains(&self.max_message_bytes) {
            checks.add(format_args!(
                "max_message_bytes is {}: use 1 to {MOST_MESSAGE_BYTES}",
                self.max_message_bytes
            ));
        }
        if !(1..=1_000).contains(&self.connections) {
            checks.add(format_args!("connections is {}: use 1 to 1000", self.connections));
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(3_600)).contains(&self.timeout) {
            checks.add(format_args!("timeout is {:?}: use 1 ms to 1 h", self.timeout));
        }
        checks.problems()
    }
}

impl fmt::Debug for PostgresQueueOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueueOptions")
            .field("url", &self.url)
            .field("transport", &self.transport)
            .field("schema", &self.schema)
            .field("per_key", &self.per_key)
            .field("keep_done", &self.keep_done)
            .field("max_message_bytes", &self.max_message_bytes)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}
