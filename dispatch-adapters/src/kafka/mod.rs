//! Delivery to Kafka, through librdkafka.
//!
//! - What is confirmed: with `acks` of `all`, that every replica in sync has the message; with `leader`, that one
//!   has; with `none`, that it was sent. With `all` the producer is idempotent: what it sends again by itself is
//!   stored once, and in order. A retry of ours is another message; the id of the envelope tells.
//! - The key of the envelope is the key of the message, and chooses the partition as Java clients do.
//! - The receipt holds `topic/partition/offset`, without the offset where it is not known.
//! - The media type is the header `content-type`. In the binary form the attributes of the envelope are headers with
//!   `ce_` before their names; in the structured form its id is the header `id`.
//! - A batch is queued at once and confirmed at the end.
//! - The producer is made at the first delivery, is shared by all, and looks for the brokers by itself. A message
//!   that was not confirmed in time is dropped from its queue.
//!
//! Closing the producer, when the adapter is dropped, may take half a second of the thread that drops it.
//!
//! It needs a C compiler and make to build. librdkafka is built without OpenSSL, so there is no TLS and no SCRAM; a
//! property that asks for TLS is refused. A program that needs it adds `rdkafka` with its feature `ssl` to its own
//! dependencies, which needs OpenSSL, and sets `security.protocol` and `ssl.ca.location`; this is not tested here.
//!
//! A login that the brokers refuse is not told from brokers that are away: deliveries fail with errors that may be
//! retried.
//!
//! ```no_run
//! use dispatch_adapters::kafka::{KafkaAdapter, KafkaOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let options = KafkaOptions { brokers: vec!["broker-1:9092".into(), "broker-2:9092".into()], ..KafkaOptions::default() };
//! let receipt = KafkaAdapter::new(options)?.deliver(envelope).await?;
//! println!("stored as {}", receipt.id.unwrap_or_default());
//! # Ok(())
//! # }
//! ```

mod error;
mod options;
mod record;

pub use options::{KafkaAcks, KafkaOptions, KafkaProperties};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, Producer as _};

use self::record::Record;
use crate::wire::{Deadline, Link, Vitals};

/// Delivers to Kafka.
pub struct KafkaAdapter {
    options: KafkaOptions,
    label: String,
    config: ClientConfig,
    link: Link<FutureProducer>,
    vitals: Vitals,
}

impl KafkaAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: KafkaOptions) -> Result<Self, RegistrationError> {
        RegistrationError::check(options.problems())?;
        let config = options.settings()?;
        let label = options.brokers.join(",");
        Ok(Self { options, label, config, link: Link::default(), vitals: Vitals::default() })
    }

    async fn producer(&self) -> Result<std::sync::Arc<FutureProducer>, DeliveryError> {
        let make = || async { self.config.create().map_err(|failed| error::not_made(&failed, &self.label)) };
        self.link.get(|_| true, make).await
    }

    fn queue(
        &self,
        producer: &FutureProducer,
        envelope: &Envelope,
    ) -> Result<(String, DeliveryFuture), DeliveryError> {
        let Record { topic, headers, body, timestamp_ms } = record::of(envelope, &self.options)?;
        let mut message =
            rdkafka::producer::FutureRecord::<str, [u8]>::to(&topic).payload(&body).headers(headers);
        if let Some(key) = envelope.key() {
            message = message.key(key);
        }
        if let Some(timestamp_ms) = timestamp_ms {
            message = message.timestamp(timestamp_ms);
        }
        let queued =
            producer.send_result(message).map_err(|(failed, _)| error::not_taken(failed, &self.label))?;
        Ok((topic, queued))
    }

    async fn send(
        &self,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<Receipt, DeliveryError>>, DeliveryError> {
        let producer = self.producer().await?;
        let queued: Vec<_> = envelopes.iter().map(|envelope| self.queue(&producer, envelope)).collect();
        let confirm = |queued| async {
            let (topic, queued): (String, DeliveryFuture) = queued?;
            match queued.await {
                Ok(Ok(delivery)) => Ok(record::receipt(&topic, &delivery)),
                Ok(Err((failed, _))) => Err(error::not_taken(failed, &self.label)),
                Err(_) => Err(DeliveryError::retry(format!("the producer for {} was closed", self.label))),
            }
        };
        let results = join_all(queued.into_iter().map(confirm)).await;
        if results.iter().any(|result| result.as_ref().is_err_and(error::is_fatal)) {
            self.link.discard(&producer);
        }
        Ok(results)
    }
}

#[async_trait]
impl Adapter for KafkaAdapter {
    fn name(&self) -> &str {
        "kafka"
    }

    /// The brokers it was given.
    fn destination(&self) -> &str {
        &self.label
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
        let sent = Deadline::after(self.options.timeout).wait(&self.label, self.send(envelopes)).await;
        let results =
            sent.unwrap_or_else(|error| envelopes.iter().map(|_| Err(error.repeat())).collect::<Vec<_>>());
        if results.iter().any(Result::is_ok) {
            self.vitals.delivered();
        }
        results
    }

    /// Asks a broker for the list of topics.
    async fn health(&self) -> Health {
        let (timeout, label) = (self.options.timeout, &self.label);
        let ask = async {
            let producer = self.producer().await?;
            let asked = tokio::task::spawn_blocking(move || {
                producer.client().fetch_metadata(None, timeout).map(|_| ())
            });
            let answer = asked.await.map_err(|_| DeliveryError::retry("the runtime is shutting down"))?;
            answer.map_err(|failed| error::not_taken(failed, label))
        };
        self.vitals.health(Deadline::after(timeout).wait(label, ask)).await
    }
}
