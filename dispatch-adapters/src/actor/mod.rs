//! `actor`: delivers to an actix actor that handles [`Deliver`].
//!
//! - A dead actor and a full mailbox are errors, never silence.
//! - An address does not come back to life. For an actor that is started anew, put an adapter for each life under a
//!   name ([`named`](crate::named)).
//! - What the actor returns beside its success is not published: register it as a dispatcher for that.

mod options;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use actix::prelude::*;
use async_trait::async_trait;
use dispatch_actors::Deliver;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::dispatch::Identity;
use dispatch_core::dispatcher::Context as DispatchContext;
use dispatch_core::ids::IdGenerator;
use dispatch_core::policy::Failure;
use dispatch_core::{Clock, DispatcherId, Envelope, Problem, SystemClock};
use rand::Rng;
use tokio::time::timeout;

pub use options::ActorOptions;

/// Delivers to an actor.
///
/// Delivered means handled with success or, if the options say `async`, put into the mailbox.
///
/// # Errors
/// | what happened | what may be done |
/// |---|---|
/// | the actor is dead, or died before it answered | permanent: this address will never answer |
/// | its mailbox is full (`async` only; otherwise the delivery waits for room) | retry |
/// | no answer in time | retry; the actor may still handle it |
/// | the actor answered with an error | as the error says: never, or retry |
/// | the envelope has no topic | permanent |
///
/// ```
/// use actix::prelude::*;
/// use dispatch_adapters::Deliver;
/// use dispatch_adapters::actor::{ActorAdapter, ActorOptions};
/// use dispatch_adapters::model::{Adapter, DispatcherError, Envelope, Outputs, Topic};
///
/// struct Printer;
///
/// impl Actor for Printer {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Deliver> for Printer {
///     type Result = Result<Outputs, DispatcherError>;
///
///     fn handle(&mut self, deliver: Deliver, _: &mut Context<Self>) -> Self::Result {
///         println!("{}", deliver.envelope.message_type());
///         Ok(Outputs::none())
///     }
/// }
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let printer = ActorAdapter::new(Printer.start().recipient(), ActorOptions::default());
///     let topic = Topic::new("shop.order.events")?;
///     printer.deliver(&Envelope::empty("OrderPlaced").with_topic(&topic)).await?;
///     assert_eq!(printer.delivered(), 1);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct ActorAdapter {
    recipient: Recipient<Deliver>,
    options: ActorOptions,
    shared: Arc<Shared>,
}

struct Shared {
    id: DispatcherId,
    clock: Box<dyn Clock>,
    /// Of ids; another one for each delivery.
    seed: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl ActorAdapter {
    /// Delivers to an actor. The adapter holds the address, and so keeps the actor alive.
    #[must_use]
    pub fn new(recipient: Recipient<Deliver>, options: ActorOptions) -> Self {
        Self::with_clock(recipient, options, SystemClock, rand::rng().random())
    }

    /// Like [`new`](Self::new); the time and the ids that the actor sees come from a clock and a seed.
    #[must_use]
    pub fn with_clock(
        recipient: Recipient<Deliver>,
        options: ActorOptions,
        clock: impl Clock,
        seed: u64,
    ) -> Self {
        let shared = Shared {
            id: DispatcherId::from("actor"),
            clock: Box::new(clock),
            seed: AtomicU64::new(seed),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        Self { recipient, options, shared: Arc::new(shared) }
    }

    /// Envelopes that were answered with `Ok`.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.shared.delivered.load(Ordering::Relaxed)
    }

    /// Envelopes that were not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn message(&self, envelope: &Envelope) -> Result<Deliver, DeliveryError> {
        let Some(topic) = envelope.topic().cloned() else {
            return Err(DeliveryError::permanent("the envelope has no topic: set one with with_topic()"));
        };
        let now = self.shared.clock.now();
        let ms = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut ids = IdGenerator::from_seed(self.shared.seed.fetch_add(1, Ordering::Relaxed));
        let dispatch_id = ids.uuid_v7(u64::try_from(ms).unwrap_or(u64::MAX));
        let identity = Identity::of(envelope, dispatch_id, ids.span_id());
        let context = DispatchContext::new(self.shared.id.clone(), topic, &identity, None, now);
        Ok(Deliver { envelope: envelope.clone(), context })
    }

    async fn send(&self, envelope: &Envelope) -> Result<(), DeliveryError> {
        let message = self.message(envelope)?;
        if self.options.async_ {
            return self.recipient.try_send(message).map_err(|error| match error {
                SendError::Full(_) => DeliveryError::retry("the mailbox of the actor is full"),
                SendError::Closed(_) => dead(),
            });
        }
        match timeout(self.options.timeout, self.recipient.send(message)).await {
            Err(_) => Err(DeliveryError::timed_out(self.options.timeout)),
            Ok(Err(_)) => Err(dead()),
            Ok(Ok(Err(error))) => Err(DeliveryError::new(Failure::kind(&error), Failure::text(&error))),
            Ok(Ok(Ok(_))) => Ok(()),
        }
    }
}

fn dead() -> DeliveryError {
    DeliveryError::permanent("the actor is dead: make an adapter for its new address, or deliver to a name")
}

#[async_trait]
impl Adapter for ActorAdapter {
    fn name(&self) -> &str {
        "actor"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problems = self.options.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let sent = self.send(envelope).await;
        let counter = if sent.is_ok() { &self.shared.delivered } else { &self.shared.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        sent.map(|()| Receipt::taken())
    }

    async fn health(&self) -> Health {
        let alive = self.recipient.connected();
        let status = if alive { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        Health { status, ..Health::default() }
    }
}

impl fmt::Debug for ActorAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorAdapter")
            .field("options", &self.options)
            .field("delivered", &self.delivered())
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}
