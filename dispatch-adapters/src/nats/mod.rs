//! Delivery to NATS: plain subjects, or a stream of JetStream.
//!
//! - What is confirmed: without `jetstream`, that the server has read the message, which is a round trip after it on
//!   the same connection; nobody may have subscribed. With `jetstream`, that a stream has stored it.
//! - Every message carries its envelope's id as `Nats-Msg-Id`: a stream drops what it has seen within its
//!   duplicate window, so that a retry is stored once.
//! - A batch is sent at once and confirmed at the end; messages keep their order as long as none fails.
//! - The connection is made at the first delivery, is shared by all, and is made again in the background. Until it is
//!   there, deliveries fail with an error that may be retried, at once.
//! - What had been sent when a connection broke may have arrived: at-least-once, with `Nats-Msg-Id` to tell.
//!
//! With `tls://` in its URL it speaks TLS once the server has greeted it, as NATS does, with certificates that are always
//! verified. A server that wants TLS of a client that did not ask for it is refused.
//!
//! The user needs permission to publish to `_INBOX.>`. Without `jetstream` the server does not say that a subject is
//! forbidden; it drops the message and logs it.
//!
//! ```no_run
//! use dispatch_adapters::nats::{NatsAdapter, NatsOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = NatsAdapter::new(NatsOptions { url: "env:NATS_URL".into(), jetstream: true, ..NatsOptions::default() })?;
//! let receipt = adapter.deliver(envelope).await?;
//! println!("stored as {}", receipt.id.unwrap_or_default()); // stream:sequence
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod message;
mod options;

pub use options::NatsOptions;

#[cfg(feature = "jetstream")]
pub(crate) use client::{Client as Connected, Server as NatsServer};

use async_nats::rustls::ClientConfig;
use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::join_all;

use self::client::{Client, Server};
use crate::wire::{Deadline, Link, Vitals};

/// Delivers to NATS.
pub struct NatsAdapter {
    options: NatsOptions,
    server: Server,
    link: Link<Client>,
    vitals: Vitals,
}

impl NatsAdapter {
    /// An adapter, with TLS where the scheme is `tls`; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: NatsOptions) -> Result<Self, RegistrationError> {
        Self::made(options, None)
    }

    /// An adapter that speaks TLS with these settings instead of those of its options, such as ones with a
    /// certificate of the client. The scheme has to be `tls`.
    ///
    /// The settings name their own provider of cryptography; none is installed for the process.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn with_tls(options: NatsOptions, tls: ClientConfig) -> Result<Self, RegistrationError> {
        Self::made(options, Some(tls))
    }

    fn made(options: NatsOptions, tls: Option<ClientConfig>) -> Result<Self, RegistrationError> {
        let server = Server::of(&options, tls)?;
        Ok(Self { options, server, link: Link::default(), vitals: Vitals::default() })
    }

    async fn send(
        &self,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<Receipt, DeliveryError>>, DeliveryError> {
        let client = self.link.get(Client::is_usable, || self.server.connect(&self.options)).await?;
        let epoch = client.epoch(&self.server.label)?;
        let mut results = Vec::with_capacity(envelopes.len());
        let mut acks = Vec::new();
        for envelope in envelopes {
            let sent = match message::of(envelope, &self.options) {
                Ok(message) => client.send(message, &self.server.label).await,
                Err(error) => Err(error),
            };
            results.push(match sent {
                Ok(Some(ack)) => {
                    acks.push((results.len(), ack));
                    Ok(Receipt::taken())
                }
                Ok(None) => Ok(Receipt::taken()),
                Err(error) => Err(error),
            });
        }
        if self.options.jetstream {
            let answers = acks.into_iter().map(|(place, ack)| async move { (place, ack.await) });
            for (place, answer) in join_all(answers).await {
                if let Some(result) = results.get_mut(place) {
                    *result = error::receipt(answer, &self.server.label);
                }
            }
        } else if results.iter().any(Result::is_ok)
            && let Err(error) = client.round_trip(epoch, &self.server.label).await
        {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(error.repeat());
            }
        }
        if client.is_closed() {
            self.link.discard(&client);
        }
        Ok(results)
    }
}

#[async_trait]
impl Adapter for NatsAdapter {
    fn name(&self) -> &str {
        "nats"
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
        let sent = Deadline::after(self.options.timeout).wait(&self.server.label, self.send(envelopes)).await;
        let results =
            sent.unwrap_or_else(|error| envelopes.iter().map(|_| Err(error.repeat())).collect::<Vec<_>>());
        if results.iter().any(Result::is_ok) {
            self.vitals.delivered();
        }
        results
    }

    async fn health(&self) -> Health {
        let ask = async {
            let client = self.link.get(Client::is_usable, || self.server.connect(&self.options)).await?;
            client.round_trip(client.epoch(&self.server.label)?, &self.server.label).await
        };
        self.vitals.health(Deadline::after(self.options.timeout).wait(&self.server.label, ask)).await
    }
}
