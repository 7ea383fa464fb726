use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dispatch_core::config::millis;
use dispatch_core::error::{ErrorCode, Problem};
use reqwest::{Client, redirect};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::HttpError;
use super::guard::{AddressGuard, Guarded, Resolver, SystemResolver};
use crate::config::Fields;
use crate::tls::{self, TlsOptions};

/// What decides which connections there are; in TOML or JSON, durations are milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolOptions {
    /// What errors call it; `http`.
    pub name: String,
    /// How many requests may be on their way at once, each on a connection of its own; 10.
    pub size: usize,
    /// How long a request waits for its turn; 5 s.
    #[serde(rename = "checkout_timeout_ms", with = "millis")]
    pub checkout_timeout: Duration,
    /// How long an unused connection is kept; 90 s.
    #[serde(rename = "idle_timeout_ms", with = "millis")]
    pub idle_timeout: Duration,
    /// How long making a connection may take, TLS included; 5 s. The timeout of a request counts as well.
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    /// Whether the roots of the system are trusted; yes.
    pub system_roots: bool,
    /// Files in PEM with roots that are trusted as well.
    pub roots: Vec<PathBuf>,
    /// Whether the proxy of the environment is used; never with the guard on.
    pub proxy: ProxyUse,
    /// Which addresses may be asked; if it is not given, the adapter decides: everything for `http`, public ones for
    /// `webhook`.
    pub guard: Option<AddressGuard>,
}

/// Whether a proxy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProxyUse {
    /// That of the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    #[default]
    Environment,
    /// None.
    Never,
}

impl Default for PoolOptions {
    /// Ten connections, 5 s to wait for one and to make one.
    fn default() -> Self {
        Self {
            name: "http".to_owned(),
            size: 10,
            checkout_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            connect_timeout: Duration::from_secs(5),
            system_roots: true,
            roots: Vec::new(),
            proxy: ProxyUse::default(),
            guard: None,
        }
    }
}

impl PoolOptions {
    /// Reads it from a configuration.
    pub(crate) fn read(fields: &mut Fields<'_>, name: &str) -> Self {
        let standard = Self::default();
        Self {
            name: fields.or("name", name.to_owned()),
            size: fields.or("size", standard.size),
            checkout_timeout: fields.millis("checkout_timeout_ms", standard.checkout_timeout),
            idle_timeout: fields.millis("idle_timeout_ms", standard.idle_timeout),
            connect_timeout: fields.millis("connect_timeout_ms", standard.connect_timeout),
            system_roots: fields.or("system_roots", standard.system_roots),
            roots: fields.or("roots", standard.roots),
            proxy: fields.choice("proxy", &["environment", "never"]),
            guard: fields.table("guard", |fields| AddressGuard {
                enabled: fields.or("enabled", true),
                allow: fields.or("allow", Vec::new()),
            }),
        }
    }

    /// Whom its connections trust.
    fn tls(&self) -> TlsOptions {
        TlsOptions { system_roots: self.system_roots, roots: self.roots.clone() }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |text: String| {
            let text = format!("pool '{}': {text}", self.name);
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        };
        if self.size == 0 || self.size > Semaphore::MAX_PERMITS {
            add(format!("size is {}: give at least 1", self.size));
        }
        for (name, value) in
            [("checkout_timeout", self.checkout_timeout), ("connect_timeout", self.connect_timeout)]
        {
            if value.is_zero() || value > Duration::from_secs(60) {
                add(format!("{name} is {value:?}: use 1 ms to 60 s"));
            }
        }
        problems
    }
}

/// Connections that targets share; a clone is the same pool.
///
/// ```
/// use dispatch_adapters::http::{Http, HttpOptions, HttpPool, PoolOptions};
/// use dispatch_adapters::model::Adapter;
///
/// let pool = HttpPool::new(PoolOptions { name: "partners".into(), size: 50, ..PoolOptions::default() });
/// let a = Http::new(HttpOptions::new("http://a.example/")).in_pool(&pool);
/// let b = Http::new(HttpOptions::new("http://b.example/")).in_pool(&pool);
/// assert!(a.validate().is_ok() && b.validate().is_ok());
/// ```
#[derive(Clone)]
pub struct HttpPool(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    options: PoolOptions,
    guard: Arc<AddressGuard>,
    resolver: Arc<dyn Resolver>,
    seats: Semaphore,
    /// Made when the first target needs them: reading the roots of the system takes its time.
    plain: OnceLock<Result<Client, Vec<Problem>>>,
    tls: OnceLock<Result<Client, Vec<Problem>>>,
}

impl HttpPool {
    /// A pool that asks the operating system for addresses. Without a guard in the options, none is on.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        Self::with_resolver(options, Arc::new(SystemResolver))
    }

    /// A pool that asks a resolver for addresses.
    #[must_use]
    pub fn with_resolver(options: PoolOptions, resolver: Arc<dyn Resolver>) -> Self {
        Self(Arc::new(Shared {
            name: options.name.as_str().into(),
            guard: Arc::new(options.guard.clone().unwrap_or(AddressGuard::off())),
            resolver,
            seats: Semaphore::new(options.size.clamp(1, Semaphore::MAX_PERMITS)),
            plain: OnceLock::new(),
            tls: OnceLock::new(),
            options,
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The guard of its connections.
    #[must_use]
    pub fn guard(&self) -> &AddressGuard {
        &self.0.guard
    }

    /// The client for a URL.
    pub(super) fn client(&self, url: &Url) -> Result<Client, Vec<Problem>> {
        let shared = &*self.0;
        let client = match url.scheme() {
            "https" => shared.tls.get_or_init(|| shared.connect(shared.options.tls().client())),
            _ => shared.plain.get_or_init(|| shared.connect(tls::trusts_nobody())),
        };
        client.clone()
    }

    /// Whether its options name a guard, on or off.
    #[cfg(feature = "webhook")]
    pub(crate) fn says_whether_guarded(&self) -> bool {
        self.0.options.guard.is_some()
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.0.options.problems()
    }

    /// How long a request may take with the wait for its turn, if its destination may take `limit` to answer.
    pub(crate) fn time_for(&self, limit: Duration) -> Duration {
        limit.saturating_add(self.0.options.checkout_timeout)
    }

    /// Waits for the turn of a request.
    pub(super) async fn check_out(&self) -> Result<SemaphorePermit<'_>, HttpError> {
        if let Ok(seat) = self.0.seats.try_acquire() {
            return Ok(seat);
        }
        let waited = self.0.options.checkout_timeout;
        match tokio::time::timeout(waited, self.0.seats.acquire()).await {
            Ok(Ok(seat)) => Ok(seat),
            _ => Err(HttpError::PoolExhausted { pool: Arc::clone(&self.0.name), waited }),
        }
    }
}

impl Shared {
    fn connect(&self, tls: Result<rustls::ClientConfig, Vec<Problem>>) -> Result<Client, Vec<Problem>> {
        let options = &self.options;
        let resolver = Guarded { resolver: Arc::clone(&self.resolver), guard: Arc::clone(&self.guard) };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls?)
            .dns_resolver(Arc::new(resolver))
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(options.idle_timeout)
            // A connection comes back a moment after its request has left, so a request may find none and make one
            // although the pool is full. With room for these they are kept and used; without, they would be made and
            // thrown away again and again.
            .pool_max_idle_per_host(options.size.saturating_mul(2))
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));
        if self.guard.enabled || options.proxy == ProxyUse::Never {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| {
            let text = format!("pool '{}': the client cannot be made: {}", self.name, error.without_url());
            vec![Problem::new(ErrorCode::InvalidConfiguration, text)]
        })
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPool")
            .field("options", &self.0.options)
            .field("guard", &self.0.guard)
            .finish_non_exhaustive()
    }
}
