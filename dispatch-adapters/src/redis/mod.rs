//! Delivery to Redis: channels of publish/subscribe, or streams.
//!
//! - What is confirmed: that the server has run the command. A channel keeps nothing: with nobody subscribed the
//!   message is gone. A stream holds it as safely as the server's own persistence does.
//! - A message on a channel is the envelope as JSON. An entry of a stream has the fields `id`, `content-type` and
//!   `data`, and in the binary form the attributes of the envelope under `ce-` and its headers as well.
//! - The receipt of a stream holds the id of the entry. A retry may add an entry again; `id` tells.
//! - A batch is one pipeline; order is kept, and each envelope has its own result.
//! - The connection is made at the first delivery, is shared by all, and is made again when it broke.
//!
//! There is no TLS, and nothing here follows the redirects of a cluster.
//!
//! ```no_run
//! use dispatch_adapters::redis::{RedisAdapter, RedisMode, RedisOptions};
//! use dispatch_adapters::model::Adapter as _;
//!
//! # async fn example(envelope: &dispatch_adapters::model::Envelope) -> Result<(), Box<dyn std::error::Error>> {
//! let options = RedisOptions { mode: RedisMode::Stream, max_len: Some(10_000), ..RedisOptions::default() };
//! let receipt = RedisAdapter::new(options)?.deliver(envelope).await?;
//! println!("entry {}", receipt.id.unwrap_or_default());
//! # Ok(())
//! # }
//! ```

mod command;
mod error;
mod options;

pub use options::{RedisMode, RedisOptions};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisResult, Value};

use crate::wire::{Checks, Deadline, Link, ServerUrl, Vitals};

/// Delivers to Redis.
pub struct RedisAdapter {
    options: RedisOptions,
    label: String,
    client: Client,
    link: Link<MultiplexedConnection>,
    vitals: Vitals,
}

impl RedisAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: RedisOptions) -> Result<Self, RegistrationError> {
        let mut problems = options.problems();
        let mut checks = Checks::of("redis");
        let url = checks.url(&options.url, RedisOptions::SCHEMES);
        let made = url.and_then(|url| {
            let label = ServerUrl::label(&url, 6379);
            let client =
                Client::open(url).map_err(|refused| checks.add(format_args!("url: {}", refused.category())));
            Some((label, client.ok()?))
        });
        problems.extend(checks.problems());
        RegistrationError::check(problems)?;
        let (label, client) = made.ok_or_else(|| Checks::nothing_left("redis"))?;
        Ok(Self { options, label, client, link: Link::default(), vitals: Vitals::default() })
    }

    /// `host:port`, for labels.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.label
    }

    async fn connect(&self) -> Result<MultiplexedConnection, DeliveryError> {
        // The deadline of the delivery is ours.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        connected.map_err(|failed| error::not_connected(failed, &self.label))
    }

    /// Runs commands one after the other; one result for each.
    async fn run(&self, commands: &Pipeline) -> Result<Vec<RedisResult<Value>>, DeliveryError> {
        let deadline = Deadline::after(self.options.timeout);
        let connection = deadline.wait(&self.label, self.link.get(|_| true, || self.connect())).await?;
        let mut shared = (*connection).clone();
        let answer = async {
            let answers = commands.query_async::<Vec<RedisResult<Value>>>(&mut shared).await;
            answers.map_err(|failed| error::not_run(failed, &self.label))
        };
        let answers = deadline.wait(&self.label, answer).await;
        let lost = match &answers {
            Ok(answers) => {
                answers.iter().flatten().next().is_none() && answers.iter().any(error::needs_another)
            }
            Err(_) => true,
        };
        if lost {
            self.link.discard(&connection);
        }
        answers
    }

    async fn send(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let mut pipeline = Pipeline::with_capacity(envelopes.len());
        pipeline.ignore_errors();
        let made: Vec<_> = envelopes
            .iter()
            .map(|envelope| {
                command::of(envelope, &self.options).map(|command| _ = pipeline.add_command(command))
            })
            .collect();
        if pipeline.is_empty() {
            return made.into_iter().map(|made| made.map(|()| Receipt::taken())).collect();
        }
        let mut answers = self.run(&pipeline).await.map(Vec::into_iter);
        let result = |made: Result<(), DeliveryError>| {
            made?;
            match &mut answers {
                Ok(answers) => command::receipt(answers.next(), &self.options, &self.label),
                Err(error) => Err(error.repeat()),
            }
        };
        made.into_iter().map(result).collect()
    }
}

#[async_trait]
impl Adapter for RedisAdapter {
    fn name(&self) -> &str {
        "redis"
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
        let results = self.send(envelopes).await;
        if results.iter().any(Result::is_ok) {
            self.vitals.delivered();
        }
        results
    }

    async fn health(&self) -> Health {
        let mut ping = Pipeline::new();
        ping.ignore_errors().cmd("PING");
        let ask = async {
            let answers = self.run(&ping).await?;
            answers.into_iter().try_for_each(|answer| match answer {
                Ok(_) => Ok(()),
                Err(failed) => Err(error::not_run(failed, &self.label)),
            })
        };
        self.vitals.health(ask).await
    }
}
