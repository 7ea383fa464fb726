//! How messages are read.

use std::collections::HashMap;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::{ConsumerErrorKind, LastRawMessageErrorKind};
use async_nats::jetstream::{ErrorCode, Message};
use dispatch_core::log::LogError;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{CONSUMER_LIFE, Session};
use crate::jetstream::error;

/// Which message is meant.
#[derive(Clone, Copy)]
pub(in crate::jetstream) enum Which<'a> {
    /// The one with this number.
    Number(u64),
    /// The last under this subject.
    LastOf(&'a str),
}

impl Session {
    /// The message with a number, and when it was stored.
    pub(in crate::jetstream) async fn message(
        &self,
        stream: &str,
        which: Which<'_>,
    ) -> Result<Option<async_nats::jetstream::message::StreamMessage>, LogError> {
        self.up()?;
        let doing = "reading a message";
        let failed = |error: async_nats::jetstream::stream::LastRawMessageError| match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::JetStream(refused)
                if refused.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            LastRawMessageErrorKind::JetStream(refused) => {
                Err(error::of_refusal(&self.doing(doing), refused))
            }
            _ => Err(LogError::unavailable(format!("{}: no answer", self.doing(doing)), error)),
        };
        let stream = self.context.get_stream_no_info(stream).await;
        let stream =
            stream.map_err(|error| LogError::failed("the name of a stream is not one".to_owned(), error))?;
        let found = match which {
            Which::Number(number) => stream.get_raw_message(number).await,
            Which::LastOf(subject) => stream.get_last_raw_message_by_subject(subject).await,
        };
        found.map_or_else(failed, |message| Ok(Some(message)))
    }

    /// A reader of a stream that the server forgets by itself; `None` if there is no stream.
    pub(in crate::jetstream) async fn consumer(
        &self,
        stream: &str,
        from: DeliverPolicy,
        filter: String,
    ) -> Result<Option<Consumer<pull::Config>>, LogError> {
        self.up()?;
        let config = pull::Config {
            deliver_policy: from,
            filter_subject: filter,
            ack_policy: AckPolicy::None,
            inactive_threshold: CONSUMER_LIFE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let doing = self.doing("making a reader");
        match self.context.create_consumer_on_stream(config, stream).await {
            Ok(consumer) => Ok(Some(consumer)),
            Err(failed) => match failed.kind() {
                ConsumerErrorKind::JetStream(refused)
                    if refused.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                ConsumerErrorKind::JetStream(refused) => Err(error::of_refusal(&doing, refused)),
                kind => Err(LogError::unavailable(format!("{doing}: {kind}"), failed)),
            },
        }
    }

    /// Takes messages that are there. Fewer come if the connection breaks, or some are gone.
    pub(in crate::jetstream) async fn fetch(
        &self,
        consumer: &Consumer<pull::Config>,
        count: usize,
    ) -> Result<Vec<Message>, LogError> {
        self.up()?;
        let doing = self.doing("reading");
        let mut batch = consumer.fetch().max_messages(count).messages().await.map_err(|failed| {
            LogError::unavailable(format!("{doing}: the question could not be asked"), failed)
        })?;
        let mut messages = Vec::with_capacity(count);
        loop {
            match timeout(self.timeout, batch.next()).await {
                Ok(Some(Ok(message))) => messages.push(message),
                Ok(None | Some(Err(_))) => return Ok(messages),
                Err(_) if !messages.is_empty() => return Ok(messages),
                Err(late) => {
                    return Err(LogError::unavailable(format!("{doing}: no answer in time"), late));
                }
            }
        }
    }

    /// The last message under each subject that a filter takes.
    pub(in crate::jetstream) async fn collect(
        &self,
        stream: &str,
        filter: &str,
    ) -> Result<Vec<Message>, LogError> {
        for _ in 0..3 {
            if let Some(found) = self.collected(stream, filter).await? {
                return Ok(found.into_values().collect());
            }
        }
        Err(LogError::Unavailable {
            what: format!("{}: less came than is there", self.doing("reading")),
            retry_in: None,
            source: None,
        })
    }

    /// The same, or `None` if not all of it came: some of it was removed meanwhile, or was lost on the way.
    async fn collected(
        &self,
        stream: &str,
        filter: &str,
    ) -> Result<Option<HashMap<String, Message>>, LogError> {
        let mut all = HashMap::new();
        let Some(consumer) = self.consumer(stream, DeliverPolicy::All, filter.to_owned()).await? else {
            return Ok(Some(all));
        };
        let mut left = consumer.cached_info().num_pending;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(500);
            let messages = self.fetch(&consumer, wanted).await?;
            // What is replaced meanwhile comes again at the end, so the server is asked how much is to come.
            match messages.last().and_then(|last| last.info().ok()) {
                Some(info) if messages.len() == wanted => left = info.pending,
                _ => return Ok(None),
            }
            all.extend(messages.into_iter().map(|message| (message.subject.to_string(), message)));
        }
        self.forget(stream, &consumer).await;
        Ok(Some(all))
    }

    /// Tells the server that nobody will ask a reader again; it would find out.
    pub(in crate::jetstream) async fn forget(&self, stream: &str, consumer: &Consumer<pull::Config>) {
        let subject = format!("CONSUMER.DELETE.{stream}.{}", consumer.cached_info().name);
        let told: Result<Option<Value>, _> = self.ask("forgetting a reader", subject, &json!({})).await;
        drop(told);
    }
}
