use std::fmt;

use async_trait::async_trait;
use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::messenger::{Carried, DispatchOptions, MessageType, MessengerError, Name, QueuedMessage};
use dispatch_core::queue::Submission;
use futures_util::future::join_all;
use uuid::Uuid;

use super::{Messenger, Sent};

/// A messenger as an adapter: what is delivered is a message that its transports have. Made by [`Messenger::adapter`].
///
/// - Where it goes follows from the type of the envelope, as for every message, unless the
///   [options](Self::with_options) name transports. Delivered means that all of them have stored it, to the degree that
///   their sync policy says.
/// - The handlers get that envelope again: with its id, headers, metadata, trace and hops, and its payload, whatever it is.
///   The topic is that of the message; the one before is in the header
///   [`x-message-topic`](dispatch_core::messenger::QueuedMessage::TOPIC_HEADER). The id in the receipt is that of the
///   message.
/// - An envelope that is delivered again is the same message: its id makes the idempotency key, unless the options have
///   one. So a retry stores nothing twice within the window of the configuration, and neither does a replay on purpose:
///   for that, [`without_keys`](Self::without_keys).
/// - The key of an envelope is the ordering key of its message, unless the options have one.
/// - An envelope whose type is not one of messages (a letter, then letters, digits, `_` and `.`) is refused for good.
#[derive(Clone)]
pub struct MessengerAdapter {
    name: String,
    messenger: Messenger,
    options: DispatchOptions,
    keyed: bool,
}

impl Messenger {
    /// The name of a messenger that was given none.
    pub const NAME: &str = "messenger";

    /// What it is called in metrics and as an adapter.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The messenger as an adapter: for the outputs of an engine, as a consumer of a subscription, as a target of deliveries,
    /// or for dead letters.
    ///
    /// ```
    /// # use dispatch_actors::messenger::Messenger;
    /// # use dispatch_core::{Adapter, Envelope, queue::{Filter, MemoryQueue, Page}};
    /// # #[actix::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let messenger = Messenger::builder().transport("default", MemoryQueue::new("default")).build()?;
    /// let order = Envelope::json("OrderPlaced", serde_json::json!({ "id": 7 }));
    /// messenger.adapter().deliver(&order).await?;
    /// messenger.adapter().deliver(&order).await?; // it was delivered already
    /// let stored = messenger.list("default", &Filter::all(), Page::first(10)).await?;
    /// assert_eq!(stored.len(), 1);
    /// assert_eq!(stored[0].message().map(|message| message.to_envelope().id()), Some(order.id()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn adapter(&self) -> MessengerAdapter {
        MessengerAdapter {
            name: format!("messenger:{}", self.name()),
            messenger: self.clone(),
            options: DispatchOptions::default(),
            keyed: true,
        }
    }

    /// An envelope as the messages that it becomes.
    fn plan_envelope(
        &self,
        envelope: &Envelope,
        mut options: DispatchOptions,
    ) -> Result<Vec<Submission>, MessengerError> {
        let (active, now) = (self.active(), self.shared.clock.now());
        let (message, carried) = Carried::split(envelope)?;
        let headers = envelope.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        options.headers.extend(headers);
        let planned = active.routing.plan(&message, &options, now, Uuid::now_v7)?;
        let complete = |mut message: QueuedMessage| {
            message.correlation_id = envelope.correlation_id().unwrap_or(message.correlation_id);
            active.submission(message.carrying(carried.clone()), &options)
        };
        Ok(planned.into_iter().map(complete).collect())
    }
}

impl MessengerAdapter {
    /// Sends with these options. Headers of envelopes win over theirs.
    #[must_use]
    pub fn with_options(mut self, options: DispatchOptions) -> Self {
        if let Some(transports) = options.transports.as_ref().filter(|transports| !transports.is_empty()) {
            self.name = format!("messenger:{}:{}", self.messenger.name(), transports.join("+"));
        }
        self.options = options;
        self
    }

    /// Sends to this transport, whatever the type of an envelope.
    #[must_use]
    pub fn to(self, transport: impl Into<String>) -> Self {
        let options = self.options.clone().with_transports([transport]);
        self.with_options(options)
    }

    /// Makes a message of every delivery, also of an envelope that was delivered before.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.keyed = false;
        self
    }

    fn options_of(&self, envelope: &Envelope) -> DispatchOptions {
        let mut options = self.options.clone();
        if self.keyed && options.idempotency_key.is_none() {
            options.idempotency_key = Some(format!("envelope-{}", envelope.id()));
        }
        let key = envelope.key().filter(|key| !key.is_empty());
        options.ordering_key = options.ordering_key.or_else(|| key.map(str::to_owned));
        options
    }

    async fn send(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let plan = |envelope| self.messenger.plan_envelope(envelope, self.options_of(envelope));
        let sent = self.messenger.send_planned(envelopes.iter().map(plan)).await;
        sent.results.into_iter().map(|sent| sent.map(|sent| receipt(&sent)).map_err(delivery_error)).collect()
    }

    /// The transports that it sends to, of a type that has no route if they follow from the type.
    fn transports(&self) -> Result<Vec<Name>, MessengerError> {
        self.messenger.transports_of(&MessageType::new("Any")?, &self.options)
    }
}

#[async_trait]
impl Adapter for MessengerAdapter {
    fn name(&self) -> &str {
        &self.name
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let Err(error) = self.transports() else { return Ok(()) };
        let problem = |text: &String| Problem::new(ErrorCode::InvalidConfiguration, text.as_str());
        Err(error.problems().iter().map(problem).collect())
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let sent = self.send(std::slice::from_ref(envelope)).await.pop();
        // One result per envelope.
        sent.unwrap_or_else(|| Err(DeliveryError::retry("the messenger has not answered")))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.send(envelopes).await
    }

    async fn health(&self) -> Health {
        let names = self.transports().unwrap_or_default();
        let queues: Vec<_> =
            names.iter().filter_map(|name| self.messenger.queue(name.as_str()).ok()).collect();
        // Whether they answer: to count what they have may take long.
        let asked = join_all(queues.iter().map(|queue| queue.queues())).await;
        let answers = asked.iter().filter(|answer| answer.is_ok()).count();
        let status = match answers {
            0 => HealthStatus::Unhealthy,
            _ if answers < asked.len() => HealthStatus::Degraded,
            _ => HealthStatus::Healthy,
        };
        Health { status, ..Health::default() }
    }
}

fn receipt(sent: &[Sent]) -> Receipt {
    let ids: Vec<_> = sent.iter().map(|sent| sent.id.to_string()).collect();
    Receipt::with_id(ids.join(" "))
}

fn delivery_error(error: MessengerError) -> DeliveryError {
    let text = error.to_string();
    let made = if error.is_retryable() { DeliveryError::retry(text) } else { DeliveryError::permanent(text) };
    made.with_source(error)
}

impl fmt::Debug for MessengerAdapter {
    /// Shows no option: keys and headers may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessengerAdapter")
            .field("name", &self.name)
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
