//! Delivery to RabbitMQ, and what else speaks AMQP 0-9-1 with publisher confirms.
//!
//! - What is confirmed: that the broker has taken the message into every queue it leads to; if the message is
//!   persistent and the queue durable, that it is on disk. With `mandatory`, as it is unless turned off, a message
//!   that leads to no queue is an error.
//! - The message's own `message_id` is the envelope's id; `type`, `correlation_id` and `timestamp` are set as well.
//! - In the binary form the attributes of the envelope are headers with `cloudEvents_` before their names.
//! - A batch is sent at once and confirmed at the end; messages keep their order as long as none fails.
//! - Each call has a channel to itself; 64 may be under way at a time, others wait.
//! - The connection is made at the first delivery, is shared by all, and is made again when it broke. What had been
//!   sent may have arrived: at-least-once, with `message_id` to tell.
//!
//! User and password go to the broker as `PLAIN`. The client library, which logs what it sends, is not told them.
//!
//! Exchanges, queues and bindings are not made here. With `amqps://` in its URL it speaks TLS, with certificates that are
//! always verified.
//!
//! ```no_run
//! use dispatch_adapters::amqp::{AmqpAdapter, AmqpOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let options = AmqpOptions { url: "env:AMQP_URL".into(), exchange: "events".into(), ..AmqpOptions::default() };
//! AmqpAdapter::new(options)?.deliver(envelope).await?;
//! # Ok(())
//! # }
//! ```

mod confirm;
mod dial;
mod error;
mod login;
mod message;
mod options;
mod session;

pub use options::AmqpOptions;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};

use self::session::{Server, Session};
use crate::wire::{Deadline, Link, Vitals};

/// Delivers to an AMQP 0-9-1 broker.
pub struct AmqpAdapter {
    options: AmqpOptions,
    server: Server,
    link: Link<Session>,
    vitals: Vitals,
}

impl AmqpAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: AmqpOptions) -> Result<Self, RegistrationError> {
        let server = Server::of(&options)?;
        Ok(Self { options, server, link: Link::default(), vitals: Vitals::default() })
    }

    async fn send(
        &self,
        envelopes: &[Envelope],
        deadline: Deadline,
    ) -> Result<Vec<Result<Receipt, DeliveryError>>, DeliveryError> {
        let label = &self.server.label;
        let session = deadline.wait(label, self.link.get(Session::is_open, || self.server.connect())).await?;
        let work = async {
            let lease = session.channel(label).await?;
            let mut sent = Vec::with_capacity(envelopes.len());
            for envelope in envelopes {
                sent.push(match message::of(envelope, &self.options) {
                    Ok(message) => confirm::publish(&lease.channel, message, label).await,
                    Err(error) => Err(error),
                });
            }
            let results = confirm::confirmed(sent, label).await;
            lease.give_back();
            Ok(results)
        };
        let results = deadline.wait(label, work).await;
        // After some errors the broker closes the connection.
        if results.is_err() || !session.is_open() {
            self.link.discard(&session);
        }
        results
    }
}

#[async_trait]
impl Adapter for AmqpAdapter {
    fn name(&self) -> &str {
        "amqp"
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
        let (deadline, label) = (Deadline::after(self.options.timeout), &self.server.label);
        let ask = async {
            let session = self.link.get(Session::is_open, || self.server.connect()).await?;
            session.ask(label).await
        };
        self.vitals.health(deadline.wait(label, ask)).await
    }
}
