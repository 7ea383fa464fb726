//! Who gets messages: functions, actors, those that the bus makes among them, adapters, engines.

mod connected;
mod delivery;
mod run;
mod supervised;
mod verdict;

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Recipient};
use dispatch_core::Adapter;
use dispatch_core::policy::RestartPolicy;
use dispatch_core::subscription::ConsumerId;
use tokio::sync::oneshot;

pub(super) use connected::{Change, Connected, Consumers};
pub use delivery::{Acknowledge, Consume, Delivery};
pub(super) use delivery::{Answer, Handling, Mailbox};
pub(super) use run::{Handle, MakeHandler, Running};
use supervised::{Death, Supervised};
pub use verdict::{IntoVerdict, Verdict};

use super::BusError;
use super::subscription::{Connect, Disconnect, PauseConsumer, SubscriptionActor};
use crate::engine::Engine;

/// A consumer that is about to be connected: say what it is to do.
#[must_use = "a consumer does nothing until it is connected"]
pub struct ConsumerBuilder {
    pub(super) subscription: Addr<SubscriptionActor>,
    pub(super) name: String,
    pub(super) keys: Option<String>,
    pub(super) restart: RestartPolicy,
}

impl ConsumerBuilder {
    /// Of a key-shared subscription, takes only keys that match a pattern with `*` and `?`.
    pub fn keys(mut self, pattern: impl Into<String>) -> Self {
        self.keys = Some(pattern.into());
        self
    }

    /// How an actor that the bus makes is started again; only [`supervised`](Self::supervised) asks.
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// Runs an async function for each message; what it returns is the answer. A panic refuses the message.
    ///
    /// It runs on the thread of the bus, as many at a time as the window allows; it must not block. At least once, one that
    /// has not answered when its `ack_timeout` is over is dropped where it stands.
    ///
    /// # Errors
    /// [`BusError::ConsumerRefused`] if the subscription is exclusive and has a consumer,
    /// [`BusError::TooManyConsumers`], [`BusError::Stopped`].
    pub async fn run<F, Fut>(self, function: F) -> Result<Consumer, BusError>
    where
        F: Fn(Delivery) -> Fut + Send + 'static,
        Fut: Future<Output: IntoVerdict> + 'static,
    {
        self.connect(move || {
            Handle::Function(std::rc::Rc::new(move |delivery| {
                let work = function(delivery);
                Box::pin(async move { work.await.into_verdict() })
            }))
        })
        .await
    }

    /// Runs an async function for each message, which answers by itself, now or later.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn run_manual<F, Fut>(self, function: F) -> Result<Consumer, BusError>
    where
        F: Fn(Delivery, Acknowledge) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.connect(move || {
            Handle::Manual(std::rc::Rc::new(move |delivery, acknowledge| {
                Box::pin(function(delivery, acknowledge))
            }))
        })
        .await
    }

    /// Sends each message to an actor. Its death is noticed at once if it has messages, else within a heartbeat.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn actor(self, recipient: Recipient<Consume>) -> Result<Consumer, BusError> {
        self.connect(move || Handle::actor(recipient)).await
    }

    /// Sends each message to an actor that the bus makes with a factory, on its own thread, and makes anew when it dies.
    ///
    /// Its death is noticed at once. What it has not acknowledged goes to others, or waits for its next life, and costs
    /// no attempt, except for the message that it died of: the one whose handler panicked. After a panic in something else,
    /// such as a timer or a future that a handler has left behind, that is the first message that it had and dropped, if it is
    /// the second time.
    ///
    /// It keeps its place meanwhile. How often and how soon it is started again says [`restart`](Self::restart), by default
    /// 10 times in 60 s, which is more than the attempts of a message that kills it; after that the consumer is removed. The
    /// actor is stopped when the consumer is.
    ///
    /// ```
    /// use actix::prelude::*;
    /// use dispatch_actors::bus::{Bus, Consume};
    /// use dispatch_core::log::MemoryLog;
    ///
    /// #[derive(Default)]
    /// struct Billing { orders: u64 }
    ///
    /// impl Actor for Billing {
    ///     type Context = Context<Self>;
    /// }
    ///
    /// impl Handler<Consume> for Billing {
    ///     type Result = ();
    ///
    ///     fn handle(&mut self, consume: Consume, _: &mut Context<Self>) {
    ///         self.orders += 1;
    ///         consume.acknowledge.ack();
    ///     }
    /// }
    ///
    /// # #[actix::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::builder(MemoryLog::new()).start()?;
    /// let billing = bus.reliable_exclusive("billing", "shop.*.events").open().await?;
    /// billing.consumer("actor").supervised(Billing::default).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn supervised<A>(self, factory: impl Fn() -> A + Send + 'static) -> Result<Consumer, BusError>
    where
        A: Actor<Context = Context<A>> + Handler<Consume>,
    {
        let policy = self.restart.clone();
        self.connect(move || Handle::Supervised(Supervised::new(factory, policy))).await
    }

    /// Delivers each message with an adapter; acknowledged once that has taken it. An error for good rejects the
    /// message, every other refuses it.
    ///
    /// An adapter that only queues, such as a target with `async = true`, has taken it when it is queued: the message is
    /// acknowledged before it is delivered, and a crash loses it.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn deliver_to(self, adapter: impl Adapter) -> Result<Consumer, BusError> {
        let adapter: Arc<dyn Adapter> = Arc::new(adapter);
        self.connect(move || Handle::adapter(adapter)).await
    }

    /// Dispatches each message with an engine; acknowledged once all of its dispatchers have handled it.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn dispatch_with(self, engine: Engine) -> Result<Consumer, BusError> {
        self.connect(move || Handle::engine(engine)).await
    }

    async fn connect(self, make: impl FnOnce() -> Handle + Send + 'static) -> Result<Consumer, BusError> {
        let (reply, answer) = oneshot::channel();
        let Self { subscription, name, keys, .. } = self;
        let make: MakeHandler = Box::new(make);
        subscription.do_send(Connect { name, keys, make, reply });
        let id = answer.await.map_err(|_| BusError::Stopped)??;
        Ok(Consumer { subscription, id })
    }
}

/// A consumer that is connected. It stays so when this is dropped.
#[derive(Debug, Clone)]
pub struct Consumer {
    subscription: Addr<SubscriptionActor>,
    id: ConsumerId,
}

impl Consumer {
    /// Its id: it is in [info](super::Subscription::info) and logs.
    #[must_use]
    pub const fn id(&self) -> ConsumerId {
        self.id
    }

    /// Takes it out; what it has not acknowledged goes to the others.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if the subscription has ended.
    pub async fn remove(self) -> Result<(), BusError> {
        self.subscription.send(Disconnect(self.id)).await.map_err(|_| BusError::Stopped)
    }

    /// Gives it nothing more for now; what it has stays with it.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if the subscription has ended.
    pub async fn pause(&self) -> Result<(), BusError> {
        self.set_paused(true).await
    }

    /// Gives it messages again.
    ///
    /// # Errors
    /// [`BusError::Stopped`] if the subscription has ended.
    pub async fn resume(&self) -> Result<(), BusError> {
        self.set_paused(false).await
    }

    async fn set_paused(&self, paused: bool) -> Result<(), BusError> {
        let pause = PauseConsumer { consumer: self.id, paused };
        self.subscription.send(pause).await.map_err(|_| BusError::Stopped)
    }
}
