//! Notifications of PostgreSQL: `NOTIFY` with what an envelope is, not with the envelope.
//!
//! - What is sent is a JSON object of `id`, `type`, and as far as the envelope has them `topic`, `key` and
//!   `correlation_id`; together less than the 8,000 bytes that PostgreSQL takes. Whoever listens looks the rest up.
//! - What is confirmed: that the notification is committed. It reaches those who listen now; nobody may.
//! - The channel is taken as it is written, upper and lower case and dots included: `LISTEN` needs double quotes.
//! - A batch is sent at once, each notification in a transaction of its own; order is kept.
//! - The connection is made at the first delivery, is shared by all, and is made again when it broke. A retry may
//!   notify twice; `id` tells.
//!
//! There is no TLS.
//!
//! ```no_run
//! use dispatch_adapters::postgres::{PostgresAdapter, PostgresOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let options = PostgresOptions { url: "env:DATABASE_URL".into(), channel: "orders".parse()?, ..PostgresOptions::default() };
//! PostgresAdapter::new(options)?.deliver(envelope).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod notification;
mod options;

pub use options::PostgresOptions;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};

use self::notification::Notification;
use crate::wire::{Checks, Deadline, Link, ServerUrl, Vitals};

/// Notifies through PostgreSQL.
pub struct PostgresAdapter {
    options: PostgresOptions,
    label: String,
    config: Config,
    link: Link<Session>,
    vitals: Vitals,
}

/// A connection.
struct Session {
    client: Client,
    running: JoinHandle<()>,
}

impl Session {
    fn is_open(&self) -> bool {
        !self.client.is_closed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl PostgresAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: PostgresOptions) -> Result<Self, RegistrationError> {
        let mut problems = options.problems();
        let mut checks = Checks::of("postgres");
        let made = checks.url(&options.url, PostgresOptions::SCHEMES).and_then(|url| {
            let Ok(mut config) = url.as_str().parse::<Config>() else {
                checks.add(
                    "url: the client refuses it: write it as postgres://user:password@host:port/database",
                );
                return None;
            };
            if config.get_application_name().is_none() {
                config.application_name("dispatch");
            }
            Some((ServerUrl::label(&url, 5432), config))
        });
        problems.extend(checks.problems());
        RegistrationError::check(problems)?;
        let (label, config) = made.ok_or_else(|| Checks::nothing_left("postgres"))?;
        Ok(Self { options, label, config, link: Link::default(), vitals: Vitals::default() })
    }

    /// `host:port`, for labels.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.label
    }

    async fn connect(&self) -> Result<Session, DeliveryError> {
        let connected = self.config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|failed| error::not_connected(failed, &self.label))?;
        let running = tokio::spawn(async move {
            // Whoever uses the client is told.
            let _ = connection.await;
        });
        Ok(Session { client, running })
    }

    async fn notify(&self, session: &Session, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let Notification { channel, payload } = notification::of(envelope, &self.options)?;
        let sent = session
            .client
            .execute_typed("SELECT pg_notify($1, $2)", &[(&channel, Type::TEXT), (&payload, Type::TEXT)])
            .await;
        sent.map(|_| Receipt::taken()).map_err(|failed| error::not_sent(failed, &self.label))
    }

    async fn send(
        &self,
        envelopes: &[Envelope],
        deadline: Deadline,
    ) -> Result<Vec<Result<Receipt, DeliveryError>>, DeliveryError> {
        let session = deadline.wait(&self.label, self.link.get(Session::is_open, || self.connect())).await?;
        let all = join_all(envelopes.iter().map(|envelope| self.notify(&session, envelope)));
        let results = deadline.wait(&self.label, async { Ok(all.await) }).await;
        let elsewhere = |result: &Result<_, DeliveryError>| result.as_ref().is_err_and(error::needs_another);
        if results.as_ref().is_err() || results.iter().flatten().any(elsewhere) {
            self.link.discard(&session);
        }
        results
    }
}

#[async_trait]
impl Adapter for PostgresAdapter {
    fn name(&self) -> &str {
        "postgres"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problems = self.options.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let mut results = self.deliver_batch(std::slice::from_ref(envelope)).await;
        results.pop().unwrap_or_else(|| Err(DeliveryError::retry("the batch came back empty")))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let sent = self.send(envelopes, Deadline::after(self.options.timeout)).await;
        let results =
            sent.unwrap_or_else(|error| envelopes.iter().map(|_| Err(error.repeat())).collect::<Vec<_>>());
        if results.iter().any(Result::is_ok) {
            self.vitals.delivered();
        }
        results
    }

    async fn health(&self) -> Health {
        let ask = async {
            let session = self.link.get(Session::is_open, || self.connect()).await?;
            session.client.check_connection().await.map_err(|failed| error::not_sent(failed, &self.label))
        };
        self.vitals.health(Deadline::after(self.options.timeout).wait(&self.label, ask)).await
    }
}
