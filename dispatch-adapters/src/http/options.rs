use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dispatch_core::config::millis;
use serde::{Deserialize, Serialize};

use super::{PoolOptions, shown};
use crate::config::Fields;
use crate::secret::SecretRef;

/// How an [`Http`](super::Http) adapter sends; in TOML or JSON, durations are milliseconds.
///
/// `Debug` shows neither the URL nor the values of headers. `Serialize` writes the URL without user information, query
/// and fragment, and `[hidden]` for the value of a header, which is refused when it is read again: what is to survive
/// being written out is named by `env:` or `file:`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOptions {
    /// Where to: a URL of `http` or `https`, or, if it is a secret itself, `env:NAME` or `file:PATH`.
    #[serde(serialize_with = "shown::url")]
    pub url: String,
    /// With which method; `POST`.
    pub method: String,
    /// Headers of every request.
    #[serde(serialize_with = "shown::headers")]
    pub headers: BTreeMap<String, String>,
    /// Headers of every request that hold secrets, such as `authorization`.
    pub secret_headers: BTreeMap<String, SecretRef>,
    /// How long one attempt may take; 5 s, at most 60 s.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// In which form envelopes are sent.
    #[serde(rename = "cloud_events")]
    pub mode: CloudEventsMode,
    /// Longest request, body and headers of one envelope together and before compression; 1 MiB. What is longer is
    /// refused before anything is sent.
    pub max_bytes: usize,
    /// How request bodies are compressed.
    pub compression: Compression,
    /// How many envelopes of a batch are sent at once; 1, which keeps their order. It means nothing in batched mode.
    pub batch_concurrency: usize,
    /// The connections, unless it shares a pool.
    pub pool: PoolOptions,
    /// The name of the pool that it shares with others; see [`Http::in_pool`](super::Http::in_pool).
    pub shared_pool: Option<String>,
}

/// In which form envelopes are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CloudEventsMode {
    /// One JSON object with attributes and data, `application/cloudevents+json`.
    #[default]
    Structured,
    /// The data as the body, the attributes as `ce-` headers.
    Binary,
    /// A JSON array of structured events, `application/cloudevents-batch+json`; a batch is one request.
    Batched,
    /// No CloudEvent: the payload as the body, the headers of the envelope as headers. Headers that carry
    /// credentials (`authorization`, `cookie`) or belong to the connection stay behind.
    None,
}

/// How request bodies are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With gzip.
    Gzip,
}

impl CloudEventsMode {
    pub(crate) const WORDS: &[&str] = &["structured", "binary", "batched", "none"];
}

impl Compression {
    pub(crate) const WORDS: &[&str] = &["none", "gzip"];
}

impl Default for HttpOptions {
    /// `POST`, structured, 5 s, 1 MiB, a pool of its own; the URL is missing.
    fn default() -> Self {
        Self {
            url: String::new(),
            method: "POST".to_owned(),
            headers: BTreeMap::new(),
            secret_headers: BTreeMap::new(),
            timeout: Duration::from_secs(5),
            mode: CloudEventsMode::default(),
            max_bytes: 1024 * 1024,
            compression: Compression::default(),
            batch_concurrency: 1,
            pool: PoolOptions::default(),
            shared_pool: None,
        }
    }
}

impl HttpOptions {
    /// The longest timeout.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
    /// The largest `max_bytes`.
    pub const MOST_BYTES: usize = 1024 * 1024 * 1024;

    /// Options for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let standard = Self::default();
        fields.urls_without_login("url", true);
        fields.headers_without_credentials("headers");
        Self {
            url: fields.required("url"),
            method: fields.or("method", standard.method),
            headers: fields.or("headers", standard.headers),
            secret_headers: fields.secret_table("secret_headers"),
            timeout: fields.timeout(),
            mode: fields.choice("cloud_events", CloudEventsMode::WORDS),
            max_bytes: fields.or("max_bytes", standard.max_bytes),
            compression: fields.choice("compression", Compression::WORDS),
            batch_concurrency: fields.or("batch_concurrency", standard.batch_concurrency),
            pool: fields.table("pool", |fields| PoolOptions::read(fields, "http")).unwrap_or_default(),
            shared_pool: fields.optional("shared_pool"),
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Adds a header that holds a secret.
    #[must_use]
    pub fn with_secret_header(mut self, name: impl Into<String>, value: impl Into<SecretRef>) -> Self {
        self.secret_headers.insert(name.into(), value.into());
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets in which form envelopes are sent.
    #[must_use]
    pub fn with_mode(mut self, mode: CloudEventsMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets how long a request may be.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Sets how request bodies are compressed.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets how many envelopes of a batch are sent at once.
    #[must_use]
    pub fn with_batch_concurrency(mut self, concurrency: usize) -> Self {
        self.batch_concurrency = concurrency;
        self
    }

    /// Sets the options of its own pool.
    #[must_use]
    pub fn with_pool(mut self, pool: PoolOptions) -> Self {
        self.pool = pool;
        self
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("method", &self.method)
            .field("headers", &self.headers.keys())
            .field("secret_headers", &self.secret_headers.keys())
            .field("timeout", &self.timeout)
            .field("mode", &self.mode)
            .field("max_bytes", &self.max_bytes)
            .field("compression", &self.compression)
            .field("pool", &self.pool)
            .field("shared_pool", &self.shared_pool)
            .finish_non_exhaustive()
    }
}
