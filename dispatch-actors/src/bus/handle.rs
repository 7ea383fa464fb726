use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::log::{LogEntry, TopicLog};
use dispatch_core::subscription::{Exhausted, Guarantee, SubscriptionConfig, SubscriptionType};
use dispatch_core::{Envelope, Payload, Topic};
use futures_util::future::join_all;
use serde::Serialize;
use smallvec::smallvec;
use tokio::sync::oneshot;

use super::hub::{Drain, Drained, End, Few, Find, Held, List, Open, Publish, Published, Unsubscribe};
use super::subscription::{StopReport, Subscription, SubscriptionInfo};
use super::topic::{topic, topic_of};
use super::{BusBuilder, BusError};

/// Topics, and who has subscribed to them.
///
/// It is cheap to clone and can be used from any thread and any runtime. It ends when it is
/// [shut down](Self::shutdown), or when the last handle of it and of its subscriptions is dropped: then what was taken is
/// written, and subscriptions end where they are, without saving their cursors.
#[derive(Clone)]
pub struct Bus {
    pub(super) name: Arc<str>,
    pub(super) held: Arc<Held>,
    pub(super) log: Arc<dyn TopicLog>,
    pub(super) max_payload: usize,
}

impl Bus {
    /// Begins to build a bus on a log.
    pub fn builder(log: impl TopicLog) -> BusBuilder {
        BusBuilder::new(Arc::new(log))
    }

    /// Begins to build a bus on a log that others have too.
    pub fn on(log: Arc<dyn TopicLog>) -> BusBuilder {
        BusBuilder::new(log)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The log of its durable topics.
    #[must_use]
    pub const fn log(&self) -> &Arc<dyn TopicLog> {
        &self.log
    }

    /// Publishes a message; returns when the sync policy of the log is met. It does not matter whether anybody has
    /// subscribed.
    ///
    /// # Errors
    /// [`BusError`] if the topic is not valid, the message is too large, too many wait, or the log refuses it.
    pub async fn publish(
        &self,
        topic: impl AsRef<str>,
        message: impl Into<LogEntry>,
    ) -> Result<Published, BusError> {
        let entry = message.into();
        let topic = topic_of(topic.as_ref(), &entry)?;
        let published = self.publish_on(topic, smallvec![entry]).await?;
        published.into_iter().next().ok_or(BusError::Stopped)
    }

    /// Publishes messages on one topic, all or none of them as far as the log promises that; what became of each, in
    /// order. A log on a server that takes one message at a time (JetStream) may have stored some of them after an error.
    ///
    /// # Errors
    /// Like [`publish`](Self::publish).
    pub async fn publish_batch<M: Into<LogEntry>>(
        &self,
        name: impl AsRef<str>,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Published>, BusError> {
        let entries: Few<LogEntry> = messages.into_iter().map(Into::into).collect();
        let Some(first) = entries.first() else {
            return topic(name.as_ref()).map(|_| Vec::new());
        };
        let topic = topic_of(name.as_ref(), first)?;
        Ok(self.publish_on(topic, entries).await?.into_vec())
    }

    async fn publish_on(&self, topic: Topic, entries: Few<LogEntry>) -> Result<Few<Published>, BusError> {
        entries.iter().try_for_each(|entry| self.check_size(entry))?;
        let (reply, answer) = oneshot::channel();
        self.held.hub().do_send(Publish { topic, entries, reply });
        answer.await.map_err(|_| BusError::Stopped)?
    }

    /// Whether a payload is short enough. One that is no bytes yet is written to find out, by whoever publishes it.
    fn check_size(&self, entry: &LogEntry) -> Result<(), BusError> {
        let limit = self.max_payload;
        let bytes = match entry.envelope.raw_payload() {
            Payload::Empty => 0,
            Payload::Bytes { data, .. } => data.len(),
            // What cannot be written is refused by the log.
            other if limit > 0 => other.to_bytes().map_or(0, |(bytes, _)| bytes.len()),
            _ => 0,
        };
        if limit > 0 && bytes > limit { Err(BusError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Begins to open a subscription.
    pub fn subscription(&self, config: SubscriptionConfig) -> SubscriptionBuilder {
        SubscriptionBuilder { bus: self.clone(), config, dead_letters: None, accept_loss: false }
    }

    /// One consumer, at most once: `exclusive`.
    pub fn non_reliable_exclusive(
        &self,
        name: impl Into<String>,
        topic: impl Into<String>,
    ) -> SubscriptionBuilder {
        self.subscription(SubscriptionConfig::new(name, topic).with_guarantee(Guarantee::AtMostOnce))
    }

    /// Consumers in turn, at most once: `shared`.
    pub fn non_reliable_shared(
        &self,
        name: impl Into<String>,
        topic: impl Into<String>,
    ) -> SubscriptionBuilder {
        let config = SubscriptionConfig::new(name, topic).with_guarantee(Guarantee::AtMostOnce);
        self.subscription(config.of_type(SubscriptionType::Shared))
    }

    /// One consumer, at least once, strictly one message after the other: `exclusive`.
    pub fn reliable_exclusive(
        &self,
        name: impl Into<String>,
        topic: impl Into<String>,
    ) -> SubscriptionBuilder {
        self.subscription(SubscriptionConfig::new(name, topic))
    }

    /// Consumers in turn, at least once: `shared`.
    pub fn reliable_shared(&self, name: impl Into<String>, topic: impl Into<String>) -> SubscriptionBuilder {
        self.subscription(SubscriptionConfig::new(name, topic).of_type(SubscriptionType::Shared))
    }

    /// The subscription of this name, if it is open.
    ///
    /// # Errors
    /// [`BusError::Stopped`].
    pub async fn find(&self, name: impl Into<String>) -> Result<Option<Subscription>, BusError> {
        self.held.hub().send(Find(name.into())).await.map_err(|_| BusError::Stopped)
    }

    /// Every subscription that is open, by name.
    ///
    /// # Errors
    /// [`BusError::Stopped`].
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, BusError> {
        self.held.hub().send(List).await.map_err(|_| BusError::Stopped)
    }

    /// How every open subscription is, by name.
    ///
    /// # Errors
    /// [`BusError::Stopped`].
    pub async fn info(&self) -> Result<Vec<SubscriptionInfo>, BusError> {
        let all = self.subscriptions().await?;
        let infos = join_all(all.iter().map(Subscription::info)).await;
        // One that has stopped meanwhile is not open any more.
        Ok(infos.into_iter().flatten().collect())
    }

    /// Forgets a subscription, its cursor and what it parked. The same name begins anew afterwards: one that is opened
    /// meanwhile waits for this, and this waits for one that is being opened.
    ///
    /// # Errors
    /// [`BusError::HasConsumers`] if it has some, [`BusError::UnknownSubscription`] if there is none of this name,
    /// [`BusError::Log`] if the log cannot be written: then it is stopped and stored.
    pub async fn unsubscribe(&self, name: &str) -> Result<(), BusError> {
        let (name, (reply, answer)) = (name.to_owned(), oneshot::channel());
        self.held.hub().do_send(Unsubscribe { name, reply });
        answer.await.map_err(|_| BusError::Stopped)?
    }

    /// The bus as an adapter: delivered means published, on the topic of the envelope. For the outputs of an engine, as a
    /// target of deliveries, or for dead letters.
    #[must_use]
    pub fn adapter(&self) -> BusAdapter {
        BusAdapter { name: format!("bus:{}", self.name), bus: self.clone() }
    }

    /// Takes nothing more, writes what was taken, stops every subscription, and says what was left; all of it within the
    /// deadline. The log stays open: it is the caller's.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if it has been shut down already.
    pub async fn shutdown(&self, deadline: Duration) -> Result<BusReport, BusError> {
        let (reply, done) = oneshot::channel();
        self.held.hub().do_send(Drain { deadline, reply });
        let Drained { left, unwritten } = done.await.map_err(|_| BusError::Stopped)?;
        let open = self.subscriptions().await?;
        let stopped = join_all(open.into_iter().map(|subscription| subscription.stop(left))).await;
        self.held.hub().do_send(End);
        Ok(BusReport { subscriptions: stopped.into_iter().flatten().collect(), unwritten })
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("name", &self.name).field("log", &self.log.name()).finish_non_exhaustive()
    }
}

/// What was left when a bus was shut down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BusReport {
    /// Its subscriptions, by name.
    pub subscriptions: Vec<StopReport>,
    /// Messages that were taken and that the log had not acknowledged at the deadline. Whoever published them has an
    /// error; they may be in the log.
    pub unwritten: usize,
}

/// A subscription that is about to be opened.
#[must_use = "a subscription is not open until it is opened"]
pub struct SubscriptionBuilder {
    bus: Bus,
    config: SubscriptionConfig,
    dead_letters: Option<Arc<dyn Adapter>>,
    accept_loss: bool,
}

impl SubscriptionBuilder {
    /// Changes the configuration.
    pub fn configure(mut self, change: impl FnOnce(SubscriptionConfig) -> SubscriptionConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// Delivers messages whose retries are used up to this adapter.
    pub fn dead_letters(mut self, target: impl Adapter) -> Self {
        self.dead_letters = Some(Arc::new(target));
        self.config.exhausted = Some(Exhausted::DeadLetter);
        self
    }

    /// If the log ends below the cursor, because records were lost, goes on at its end instead of refusing to open.
    pub fn accept_loss(mut self) -> Self {
        self.accept_loss = true;
        self
    }

    /// Opens it, or goes on with the one of this name; returns once its cursor and topics stand.
    ///
    /// One that is open already is joined, if it was opened in the same way: with another member of the configuration, or
    /// a dead-letter target of another name or destination, that is a conflict. The start means nothing then, and the
    /// window is the one exception: one of 1, the default, and the one that it was opened with leave it as it is, also
    /// where [`set_window`](Subscription::set_window) has changed it; any other is set.
    /// [`Bus::find`] gives one that is open, however it was opened.
    ///
    /// # Errors
    /// [`BusError::Invalid`] with everything that is wrong, [`BusError::Conflict`] if the name is another
    /// subscription, or is open in another way, [`BusError::Log`], among these [`EndsBelowCursor`](dispatch_core::log::LogError::EndsBelowCursor).
    pub async fn open(self) -> Result<Subscription, BusError> {
        let Self { bus, config, dead_letters, accept_loss } = self;
        let (reply, answer) = oneshot::channel();
        bus.held.hub().do_send(Open { config, dead_letters, accept_loss, reply });
        answer.await.map_err(|_| BusError::Stopped)?
    }
}

/// A bus as an adapter. Made by [`Bus::adapter`].
#[derive(Debug, Clone)]
pub struct BusAdapter {
    name: String,
    bus: Bus,
}

#[async_trait]
impl Adapter for BusAdapter {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let Some(topic) = envelope.topic().cloned() else {
            return Err(DeliveryError::permanent(
                "the envelope has no topic: set one, so that it can be published",
            ));
        };
        let published =
            self.bus.publish_on(topic, smallvec![envelope.clone().into()]).await.map_err(delivery_error)?;
        let offset = published.first().and_then(|published| published.offset);
        Ok(match offset {
            Some(offset) => Receipt::with_id(offset.to_string()),
            None => Receipt::taken(),
        })
    }

    async fn health(&self) -> Health {
        let connected = self.bus.held.hub().connected();
        let status = if connected { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        Health { status, ..Health::default() }
    }
}

fn delivery_error(error: BusError) -> DeliveryError {
    let text = error.to_string();
    let made = match &error {
        BusError::Overloaded { .. } => DeliveryError::retry(text),
        BusError::Log(log) if log.is_retryable() => DeliveryError::retry(text),
        _ => DeliveryError::permanent(text),
    };
    made.with_source(error)
}
