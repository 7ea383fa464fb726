//! A connection to the server, and the questions that it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use dispatch_core::Topic;
use dispatch_core::delivery::DeliveryError;
use dispatch_core::log::{LogError, Offset, Tails};
use dispatch_core::uuid::Uuid;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;

mod reading;

pub(super) use reading::Which;

use super::error;
use super::names::last_part;
use crate::nats::{Connected, NatsOptions, NatsServer};

/// Messages that are sent before the first of them has to be acknowledged.
const GROUP: u32 = 512;
/// Messages of all appends together that are sent and not acknowledged. The client allows 5,000.
const UNACKNOWLEDGED: usize = 4_096;
/// The server forgets a consumer that nobody has asked for so long.
pub(super) const CONSUMER_LIFE: Duration = Duration::from_secs(30);

/// The heads of topics, as this process and the server tell of them.
#[derive(Debug, Default)]
pub(super) struct Heads {
    pub(super) tails: Tails,
    /// The topics that somebody waits for, by what stands for them in a subject.
    known: Mutex<HashMap<String, Topic>>,
}

impl Heads {
    pub(super) fn know(&self, topic: &Topic) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(super::names::digest(topic.as_str())).or_insert_with(|| topic.clone());
    }

    /// A stream has stored the message with this number.
    fn heard(&self, subject: &str, sequence: u64) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = known.get(last_part(subject)).cloned();
        drop(known);
        if let Some(topic) = topic {
            self.tails.advance(&topic, Offset::new(sequence));
        }
    }
}

/// What the server says about a stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: StreamName,
    pub(super) state: StreamState,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamName {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct StreamState {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    #[serde(default)]
    pub(super) subjects: Option<HashMap<String, u64>>,
}

#[derive(Deserialize)]
struct Listed {
    total: usize,
    #[serde(default)]
    streams: Option<Vec<StreamInfo>>,
}

#[derive(Deserialize)]
struct Purged {
    purged: u64,
}

/// A message that is to be stored.
pub(super) struct Outgoing {
    pub(super) subject: String,
    pub(super) body: Vec<u8>,
    /// What the server tells it by from one that it has.
    pub(super) id: Option<Uuid>,
}

/// A connection.
pub(super) struct Session {
    connected: Connected,
    context: Context,
    label: String,
    timeout: Duration,
    room: Semaphore,
    hearing: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

impl Session {
    /// Connects, and listens to the heads of topics from then on.
    pub(super) async fn connect(
        server: &NatsServer,
        options: &NatsOptions,
        heads_subject: String,
        heads: Arc<Heads>,
    ) -> Result<Self, DeliveryError> {
        let connected = server.connect(options).await?;
        let (client, context) = connected.parts();
        let context = context.cloned().ok_or_else(|| DeliveryError::retry("there is no JetStream"))?;
        let subscribed = client.subscribe(heads_subject).await;
        let mut subscriber = subscribed.map_err(|error| {
            DeliveryError::retry(format!("cannot subscribe at {}", server.label)).with_source(error)
        })?;
        let hearing = tokio::spawn(async move {
            while let Some(message) = subscriber.next().await {
                let sequence = message.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
                if let Some(sequence) = sequence.and_then(|value| value.as_str().parse().ok()) {
                    heads.heard(&message.subject, sequence);
                }
            }
        });
        Ok(Self {
            connected,
            context,
            label: server.label.clone(),
            timeout: options.timeout,
            room: Semaphore::new(UNACKNOWLEDGED),
            hearing: hearing.abort_handle(),
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        self.connected.is_usable()
    }

    /// Most bytes of a message.
    pub(super) fn max_payload(&self) -> usize {
        self.connected.parts().0.server_info().max_payload
    }

    /// Nothing is sent while there is no connection: it would wait, and arrive later.
    fn up(&self) -> Result<(), LogError> {
        self.connected.epoch(&self.label).map(drop).map_err(error::of_connection)
    }

    /// Looks at an error before it is passed on.
    fn seen(&self, error: LogError) -> LogError {
        if error::is_final(&error) {
            self.connected.give_up();
        }
        error
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} at {}", self.label)
    }

    /// Asks JetStream something. What it does not have is `None`.
    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        subject: String,
        question: &Value,
    ) -> Result<Option<T>, LogError> {
        self.up()?;
        let asked = self.context.request(subject, question);
        let answer = timeout(self.timeout * 2, asked).await.map_err(|late| {
            LogError::unavailable(format!("{}: no answer in time", self.doing(doing)), late)
        })?;
        match answer {
            Ok(Response::Ok(answer)) => Ok(Some(answer)),
            Ok(Response::Err { error }) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Ok(Response::Err { error }) => Err(error::of_refusal(&self.doing(doing), error)),
            Err(failed) => Err(self.seen(error::of_request(&self.doing(doing), failed))),
        }
    }

    /// What a stream holds, if there is one.
    pub(super) async fn info(&self, stream: &str) -> Result<Option<StreamInfo>, LogError> {
        self.ask("looking at a stream", format!("STREAM.INFO.{stream}"), &json!({})).await
    }

    /// How many messages there are under each subject that a filter takes.
    pub(super) async fn subjects(&self, stream: &str, filter: &str) -> Result<Vec<String>, LogError> {
        let mut all = Vec::new();
        loop {
            let question = json!({ "subjects_filter": filter, "offset": all.len() });
            let doing = "listing what is stored";
            let info: Option<StreamInfo> =
                self.ask(doing, format!("STREAM.INFO.{stream}"), &question).await?;
            let page = info.and_then(|info| info.state.subjects).unwrap_or_default();
            // The server answers with all that is there up to a page of 100,000.
            let ended = page.len() < 100_000;
            all.extend(page.into_keys());
            if ended {
                all.sort_unstable();
                return Ok(all);
            }
        }
    }

    /// The streams that take a subject.
    pub(super) async fn streams(&self, subject: &str) -> Result<Vec<StreamInfo>, LogError> {
        let mut all = Vec::new();
        loop {
            let question = json!({ "subject": subject, "offset": all.len() });
            let listed: Option<Listed> =
                self.ask("listing streams", "STREAM.LIST".to_owned(), &question).await?;
            let Some(Listed { total, streams }) = listed else { return Ok(all) };
            let page = streams.unwrap_or_default();
            let ended = page.is_empty();
            all.extend(page);
            if ended || all.len() >= total {
                return Ok(all);
            }
        }
    }

    /// A stream that is there, or is made.
    pub(super) async fn ensure(&self, config: &Config) -> Result<StreamInfo, LogError> {
        let name = &config.name;
        if let Some(info) = self.info(name).await? {
            return Ok(info);
        }
        let question = serde_json::to_value(config)
            .map_err(|error| LogError::failed("the settings of a stream cannot be written", error))?;
        match self.ask("making a stream", format!("STREAM.CREATE.{name}"), &question).await {
            Ok(Some(info)) => Ok(info),
            // Somebody else has made it meanwhile, with other settings.
            Err(refused) => match self.info(name).await {
                Ok(Some(info)) => Ok(info),
                _ => Err(refused),
            },
            Ok(None) => Err(LogError::Unavailable {
                what: format!("{}: it is not there afterwards", self.doing("making a stream")),
                retry_in: None,
                source: None,
            }),
        }
    }

    /// Removes messages: those below a number, or those under a subject; how many there were.
    pub(super) async fn purge(&self, stream: &str, what: &Value) -> Result<u64, LogError> {
        let answer: Option<Purged> =
            self.ask("removing what is stored", format!("STREAM.PURGE.{stream}"), what).await?;
        Ok(answer.map_or(0, |answer| answer.purged))
    }

    /// Stores messages in their order; their numbers.
    pub(super) async fn store(&self, stream: &str, messages: Vec<Outgoing>) -> Result<Vec<u64>, LogError> {
        let doing = self.doing("storing");
        let mut numbers = Vec::with_capacity(messages.len());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            // Room for a whole group at once: groups that wait for each other would wait for ever.
            let wanted = u32::try_from(messages.len()).unwrap_or(GROUP).min(GROUP);
            let _room = self.room.acquire_many(wanted).await.map_err(|_| LogError::Closed)?;
            self.up()?;
            let mut acks = Vec::new();
            for Outgoing { subject, body, id } in messages.by_ref().take(wanted as usize) {
                let sent = match id {
                    None => timeout(self.timeout, self.context.publish(subject, body.into())).await,
                    Some(id) => {
                        let mut headers = HeaderMap::new();
                        headers.insert(NATS_MESSAGE_ID, id.to_string());
                        let sent = self.context.publish_with_headers(subject, headers, body.into());
                        timeout(self.timeout, sent).await
                    }
                };
                let sent = sent.map_err(|late| {
                    LogError::unavailable(format!("{doing}: it could not be sent in time"), late)
                })?;
                acks.push(sent.map_err(|failed| self.seen(error::of_publish(&doing, failed)))?);
            }
            let acks = join_all(acks.into_iter().map(IntoFuture::into_future)).await;
            let in_part = !numbers.is_empty() || acks.iter().any(Result::is_ok);
            for ack in acks {
                let ack = ack.map_err(|failed| match failed.kind() {
                    PublishErrorKind::StreamNotFound => LogError::Unavailable {
                        what: format!("{doing}: the stream is gone, or JetStream is starting"),
                        retry_in: None,
                        source: Some(Box::new(failed)),
                    },
                    _ => match error::of_publish(&doing, failed) {
                        LogError::Full { what } if in_part => error::in_part(&what),
                        error => error,
                    },
                })?;
                if ack.stream != stream {
                    return Err(LogError::Failed {
                        what: format!(
                            "{doing}: stream '{}' takes the subjects of '{stream}' as well; give this log another \
                             prefix, or remove that stream",
                            ack.stream
                        ),
                        source: None,
                    });
                }
                numbers.push(ack.sequence);
            }
        }
        Ok(numbers)
    }
}

/// What all streams of a log have in common.
pub(super) fn stream(name: String, subject: String, replicas: usize) -> Config {
    Config {
        name,
        subjects: vec![subject],
        retention: RetentionPolicy::Limits,
        // What does not fit is refused: nothing goes by itself.
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        ..Config::default()
    }
}
