use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dispatch_core::config::millis;
use serde::{Deserialize, Serialize};

use super::Scheme;
use crate::config::Fields;
use crate::http::{CloudEventsMode, Compression, HttpOptions, PoolOptions, shown_headers, shown_urls};
use crate::secret::SecretRef;

/// How a [`Webhook`](super::Webhook) sends; in TOML or JSON, durations are milliseconds.
///
/// `Debug` shows neither URLs nor the values of headers, and `Serialize` no more of them than that of
/// [`HttpOptions`] does.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// Where to: URLs of `http` or `https`, or, if they are secrets themselves, `env:NAME` or `file:PATH`.
    #[serde(serialize_with = "shown_urls")]
    pub urls: Vec<String>,
    /// Whether they are asked at the same time, eight at most, rather than in order.
    pub parallel: bool,
    /// How requests are signed.
    pub scheme: Scheme,
    /// The header that carries the signature, if not that of the scheme.
    pub signature_header: Option<String>,
    /// The secrets to sign with: the current one first, then old ones that receivers may still use.
    pub secrets: Vec<SecretRef>,
    /// The header that names the event; `x-webhook-event` with the scheme `hex`, else none.
    pub event_header: Option<String>,
    /// What that header calls the message types; a type that is not listed is called by its name.
    pub events: BTreeMap<String, String>,
    /// With which method; `POST`.
    pub method: String,
    /// Headers of every request.
    #[serde(serialize_with = "shown_headers")]
    pub headers: BTreeMap<String, String>,
    /// Headers of every request that hold secrets.
    pub secret_headers: BTreeMap<String, SecretRef>,
    /// How long one attempt at one URL may take; 5 s, at most 60 s.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// In which form envelopes are sent; all but batched.
    #[serde(rename = "cloud_events")]
    pub mode: CloudEventsMode,
    /// Longest request, body and headers of one envelope together and before compression; 1 MiB. What is longer is
    /// refused before anything is sent.
    pub max_bytes: usize,
    /// How request bodies are compressed. The signature is that of the body before that.
    pub compression: Compression,
    /// The connections, unless it shares a pool. The address guard is on unless it says otherwise.
    pub pool: PoolOptions,
    /// The name of the pool that it shares with others; see [`Webhook::in_pool`](super::Webhook::in_pool).
    pub shared_pool: Option<String>,
}

impl Default for WebhookOptions {
    /// As [`HttpOptions`], signed by Standard Webhooks; URLs and secrets are missing.
    fn default() -> Self {
        let http = HttpOptions::default();
        Self {
            urls: Vec::new(),
            parallel: false,
            scheme: Scheme::default(),
            signature_header: None,
            secrets: Vec::new(),
            event_header: None,
            events: BTreeMap::new(),
            method: http.method,
            headers: http.headers,
            secret_headers: http.secret_headers,
            timeout: http.timeout,
            mode: http.mode,
            max_bytes: http.max_bytes,
            compression: http.compression,
            pool: PoolOptions { name: "webhook".to_owned(), ..http.pool },
            shared_pool: None,
        }
    }
}

impl WebhookOptions {
    /// Reads it from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let standard = Self::default();
        fields.urls_without_login("urls", true);
        fields.headers_without_credentials("headers");
        Self {
            urls: fields.required("urls"),
            parallel: fields.or("parallel", standard.parallel),
            scheme: fields.choice("scheme", &["standard", "stripe", "github", "hex"]),
            signature_header: fields.optional("signature_header"),
            secrets: fields.secrets("secrets"),
            event_header: fields.optional("event_header"),
            events: fields.or("events", standard.events),
            method: fields.or("method", standard.method),
            headers: fields.or("headers", standard.headers),
            secret_headers: fields.secret_table("secret_headers"),
            timeout: fields.timeout(),
            mode: fields.choice("cloud_events", CloudEventsMode::WORDS),
            max_bytes: fields.or("max_bytes", standard.max_bytes),
            compression: fields.choice("compression", Compression::WORDS),
            pool: fields
                .table("pool", |fields| PoolOptions::read(fields, "webhook"))
                .unwrap_or(standard.pool),
            shared_pool: fields.optional("shared_pool"),
        }
    }

    /// Options for a URL and a secret.
    pub fn new(url: impl Into<String>, secret: impl Into<SecretRef>) -> Self {
        Self { urls: vec![url.into()], secrets: vec![secret.into()], ..Self::default() }
    }

    /// Adds a URL.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Asks all URLs at the same time.
    #[must_use]
    pub fn in_parallel(mut self) -> Self {
        self.parallel = true;
        self
    }

    /// Sets how requests are signed.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sends the signature in another header than that of the scheme.
    #[must_use]
    pub fn with_signature_header(mut self, name: impl Into<String>) -> Self {
        self.signature_header = Some(name.into());
        self
    }

    /// Also signs with an old secret, for receivers that do not know the current one yet.
    #[must_use]
    pub fn with_old_secret(mut self, secret: impl Into<SecretRef>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Names the event in a header.
    #[must_use]
    pub fn with_event_header(mut self, name: impl Into<String>) -> Self {
        self.event_header = Some(name.into());
        self
    }

    /// Calls a message type by another name in the event header.
    #[must_use]
    pub fn with_event(mut self, message_type: impl Into<String>, event: impl Into<String>) -> Self {
        self.events.insert(message_type.into(), event.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Sets how long one attempt at one URL may take.
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

    /// Sets the options of its own pool.
    #[must_use]
    pub fn with_pool(mut self, pool: PoolOptions) -> Self {
        self.pool = pool;
        self
    }

    /// The part that HTTP has, for one of the URLs.
    pub(super) fn http(&self, url: &str) -> HttpOptions {
        HttpOptions {
            url: url.to_owned(),
            method: self.method.clone(),
            headers: self.headers.clone(),
            secret_headers: self.secret_headers.clone(),
            timeout: self.timeout,
            mode: self.mode,
            max_bytes: self.max_bytes,
            compression: self.compression,
            ..HttpOptions::default()
        }
    }

    /// The header that names the event, if there is one.
    pub(super) fn event_header(&self) -> Option<&str> {
        self.event_header.as_deref().or((self.scheme == Scheme::Hex).then_some("x-webhook-event"))
    }
}

impl fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookOptions")
            .field("urls", &self.urls.len())
            .field("parallel", &self.parallel)
            .field("scheme", &self.scheme)
            .field("signature_header", &self.signature_header)
            .field("secrets", &self.secrets)
            .field("event_header", &self.event_header)
            .field("headers", &self.headers.keys())
            .field("secret_headers", &self.secret_headers.keys())
            .field("timeout", &self.timeout)
            .field("mode", &self.mode)
            .field("max_bytes", &self.max_bytes)
            .field("pool", &self.pool)
            .field("shared_pool", &self.shared_pool)
            .finish_non_exhaustive()
    }
}
