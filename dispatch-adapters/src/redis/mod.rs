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
//! With `rediss://` in its URL it speaks TLS, with certificates that are always verified. Nothing here follows the
//! redirects of a cluster.
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
mod session;

pub use options::{RedisMode, RedisOptions};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::{Envelope, RegistrationError};
use redis::{Pipeline, RedisResult, Value};

use self::session::{Server, Session};
use crate::wire::{Deadline, Link, Vitals};

/// Delivers to Redis.
pub struct RedisAdapter {
    options: RedisOptions,
    server: Server,
    link: Link<Session>,
    vitals: Vitals,
}

impl RedisAdapter {
    /// An adapter; nothing is connected yet.
    ///
    /// # Errors
    /// Every problem of the options.
    pub fn new(options: RedisOptions) -> Result<Self, RegistrationError> {
        let server = Server::of(&options)?;
        Ok(Self { options, server, link: Link::default(), vitals: Vitals::default() })
    }

    /// Runs commands one after the other; one result for each.
    async fn run(&self, commands: &Pipeline) -> Result<Vec<RedisResult<Value>>, DeliveryError> {
        let deadline = Deadline::after(self.options.timeout);
        let label = &self.server.label;
        let session = deadline.wait(label, self.link.get(|_| true, || self.server.connect())).await?;
        let mut shared = session.handle();
        let answer = async {
            let answers = commands.query_async::<Vec<RedisResult<Value>>>(&mut shared).await;
            answers.map_err(|failed| error::not_run(failed, label))
        };
        let answers = deadline.wait(label, answer).await;
        let lost = match &answers {
            Ok(answers) => {
                answers.iter().flatten().next().is_none() && answers.iter().any(error::needs_another)
            }
            Err(_) => true,
        };
        if lost {
            self.link.discard(&session);
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
                Ok(answers) => command::receipt(answers.next(), &self.options, &self.server.label),
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
                Err(failed) => Err(error::not_run(failed, &self.server.label)),
            })
        };
        self.vitals.health(ask).await
    }
}
