//! Delivery to a broker of MQTT 5.
//!
//! - What is confirmed: with QoS 1 and 2, that the broker has taken the message. With QoS 0, that it was written to
//!   the connection, which is no promise that anybody read it.
//! - QoS 2 rules out duplicates on one connection. Here a connection that broke is followed by a new session, and a
//!   retry by a second message: at-least-once, with the envelope's id to tell.
//! - The topic is the envelope's with `/` in place of `.`, unless the template says otherwise.
//! - In the binary form the attributes of the envelope are user properties, and so are its headers.
//! - A batch is sent as fast as the broker's receive maximum lets it; messages keep their order as long as none fails.
//! - The connection is made at the first delivery, is shared by all, and is made again when it broke. With `mqtts://`
//!   in the URL it is one with TLS, with certificates that are always verified.
//!
//! ```no_run
//! use dispatch_adapters::mqtt::{MqttAdapter, MqttOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let options = MqttOptions { url: "env:MQTT_URL".into(), topic: "site/7/{topic_path}".parse()?, ..MqttOptions::default() };
//! MqttAdapter::new(options)?.deliver(envelope).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod message;
mod options;
mod session;

pub use options::{MqttOptions, QualityOfService};

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::join_all;
use rumqttc::tokio_rustls::rustls::ClientConfig;

use self::session::{Server, Session};
use crate::wire::{Deadline, Link, Vitals};

/// Delivers to an MQTT 5 broker.
pub struct MqttAdapter {
    options: MqttOptions,
    server: Server,
    link: Link<Session>,
    vitals: Vitals,
}

impl MqttAdapter {
    /// An adapter, with TLS where the scheme is `mqtts`; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: MqttOptions) -> Result<Self, RegistrationError> {
        Self::made(options, None)
    }

    /// An adapter that speaks TLS with these settings instead of those of its options, such as ones with a
    /// certificate of the client. The scheme has to be `mqtts`.
    ///
    /// The settings name their own provider of cryptography; none is installed for the process.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn with_tls(options: MqttOptions, tls: Arc<ClientConfig>) -> Result<Self, RegistrationError> {
        Self::made(options, Some(tls))
    }

    fn made(options: MqttOptions, tls: Option<Arc<ClientConfig>>) -> Result<Self, RegistrationError> {
        let server = Server::of(&options, tls)?;
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
            let mut sent = Vec::with_capacity(envelopes.len());
            for envelope in envelopes {
                sent.push(match message::of(envelope, &self.options) {
                    Ok(message) => session.publish(message, label).await,
                    Err(error) => Err(error),
                });
            }
            let confirm = |sent| async {
                match sent {
                    Ok(notice) => error::receipt(rumqttc::PublishNotice::wait_async(notice).await, label),
                    Err(error) => Err(error),
                }
            };
            Ok(join_all(sent.into_iter().map(confirm)).await)
        };
        let results = deadline.wait(label, work).await;
        if results.is_err() || !session.is_open() {
            self.link.discard(&session);
        }
        results
    }
}

#[async_trait]
impl Adapter for MqttAdapter {
    fn name(&self) -> &str {
        "mqtt"
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
            session.round_trip(label).await
        };
        self.vitals.health(deadline.wait(label, ask)).await
    }
}
