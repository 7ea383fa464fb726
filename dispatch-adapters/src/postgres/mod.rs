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
//! With `?sslmode=require` in its URL it speaks TLS, with certificates that are always verified.
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

pub(crate) mod error;
mod notification;
mod options;
mod secure;
pub(crate) mod server;

pub use options::PostgresOptions;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::join_all;
use tokio_postgres::types::Type;

use self::notification::Notification;
use self::server::{Server, Session};
use crate::wire::{Deadline, Link, Vitals};

/// Notifies through PostgreSQL.
pub struct PostgresAdapter {
    options: PostgresOptions,
    server: Server,
    link: Link<Session>,
    vitals: Vitals,
}

impl PostgresAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: PostgresOptions) -> Result<Self, RegistrationError> {
        let server = Server::of(&options)?;
        Ok(Self { options, server, link: Link::default(), vitals: Vitals::default() })
    }

    async fn notify(&self, session: &Session, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let Notification { channel, payload } = notification::of(envelope, &self.options)?;
        let sent = session
            .client
            .execute_typed("SELECT pg_notify($1, $2)", &[(&channel, Type::TEXT), (&payload, Type::TEXT)])
            .await;
        sent.map(|_| Receipt::taken()).map_err(|failed| error::not_sent(failed, &self.server.label))
    }

    async fn send(
        &self,
        envelopes: &[Envelope],
        deadline: Deadline,
    ) -> Result<Vec<Result<Receipt, DeliveryError>>, DeliveryError> {
        let session = deadline
            .wait(&self.server.label, self.link.get(Session::is_open, || self.server.connect()))
            .await?;
        let all = join_all(envelopes.iter().map(|envelope| self.notify(&session, envelope)));
        let results = deadline.wait(&self.server.label, async { Ok(all.await) }).await;
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

    /// `host:port` of the server.
    fn destination(&self) -> &str {
        &self.server.label
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
            let session = self.link.get(Session::is_open, || self.server.connect()).await?;
            session
                .client
                .check_connection()
                .await
                .map_err(|failed| error::not_sent(failed, &self.server.label))
        };
        self.vitals.health(Deadline::after(self.options.timeout).wait(&self.server.label, ask)).await
    }
}
