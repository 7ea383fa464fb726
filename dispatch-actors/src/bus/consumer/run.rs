use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix::Recipient;
use dispatch_core::Adapter;
use dispatch_core::subscription::{ConsumerId, DeliveryToken};
use futures_util::future::LocalBoxFuture;

use super::{Acknowledge, Consume, Delivery, Mailbox, Supervised, Verdict};
use crate::engine::Engine;
use crate::guard::panic_text;

/// The code of a consumer, on its way to the subscription.
pub(in crate::bus) type MakeHandler = Box<dyn FnOnce() -> Handle + Send>;

/// How messages reach a consumer.
pub(in crate::bus) enum Handle {
    /// A function of the subscription's own thread. What it returns is the answer.
    Function(Rc<dyn Fn(Delivery) -> LocalBoxFuture<'static, Verdict>>),
    /// The same, but it answers by itself.
    Manual(Rc<dyn Fn(Delivery, Acknowledge) -> LocalBoxFuture<'static, ()>>),
    /// An actor of somebody else's.
    Actor(Recipient<Consume>, Mailbox),
    /// An actor that the bus has made.
    Supervised(Supervised),
}

impl Handle {
    pub(in crate::bus) fn actor(recipient: Recipient<Consume>) -> Self {
        let mailbox = Arc::new(recipient.downgrade());
        Self::Actor(recipient, mailbox)
    }

    pub(in crate::bus) fn adapter(adapter: Arc<dyn Adapter>) -> Self {
        Self::Function(Rc::new(move |delivery| {
            let adapter = Arc::clone(&adapter);
            Box::pin(async move {
                match adapter.deliver(delivery.envelope()).await {
                    Ok(_) => Verdict::Ack,
                    Err(error) => Verdict::of_delivery(&error),
                }
            })
        }))
    }

    /// Dispatches with an engine; acknowledged once every dispatcher has handled it.
    pub(in crate::bus) fn engine(engine: Engine) -> Self {
        Self::Function(Rc::new(move |delivery| {
            let engine = engine.clone();
            Box::pin(async move {
                let Some(topic) = delivery.topic().cloned() else {
                    return Verdict::Reject { reason: "the envelope has no topic".to_owned() };
                };
                let result = match engine.dispatch(topic, delivery.into_envelope()).await {
                    Ok(result) => result,
                    Err(refused) => return Verdict::Nack { delay: None, reason: refused.to_string() },
                };
                if !result.is_error() {
                    return Verdict::Ack;
                }
                let reason = result.error_message().unwrap_or(result.status().as_str()).to_owned();
                match result.status() {
                    dispatch_core::DispatchStatus::InvalidMessage => Verdict::Reject { reason },
                    _ => Verdict::Nack { delay: None, reason },
                }
            })
        }))
    }

    /// Whether it can go without anything that says so.
    pub(in crate::bus) const fn may_vanish(&self) -> bool {
        matches!(self, Self::Actor(..))
    }

    /// Where the messages of an actor go, as long as it is there.
    pub(in crate::bus) fn recipient(&self) -> Option<(&Recipient<Consume>, &Mailbox)> {
        match self {
            Self::Actor(recipient, mailbox) if recipient.connected() => Some((recipient, mailbox)),
            Self::Supervised(actor) => actor.recipient(),
            Self::Function(_) | Self::Manual(_) | Self::Actor(..) => None,
        }
    }

    /// Whether it is there; of functions nothing else is known.
    pub(in crate::bus) fn is_connected(&self) -> bool {
        matches!(self, Self::Function(_) | Self::Manual(_)) || self.recipient().is_some()
    }
}

/// A function of a consumer at work. A panic is its answer.
pub(in crate::bus) struct Running {
    work: Work,
    consumer: ConsumerId,
    token: Option<DeliveryToken>,
}

enum Work {
    Answers(LocalBoxFuture<'static, Verdict>),
    Silent(LocalBoxFuture<'static, ()>),
}

impl Running {
    /// Starts a function that answers with what it returns.
    pub(in crate::bus) fn answering(
        function: &Rc<dyn Fn(Delivery) -> LocalBoxFuture<'static, Verdict>>,
        delivery: Delivery,
        consumer: ConsumerId,
        token: Option<DeliveryToken>,
    ) -> Result<Self, Verdict> {
        let started = catch_unwind(AssertUnwindSafe(|| function(delivery)));
        let work = started.map_err(panicked)?;
        Ok(Self { work: Work::Answers(work), consumer, token })
    }

    /// Starts a function that answers by itself.
    pub(in crate::bus) fn manual(
        function: &Rc<dyn Fn(Delivery, Acknowledge) -> LocalBoxFuture<'static, ()>>,
        delivery: Delivery,
        acknowledge: Acknowledge,
        consumer: ConsumerId,
        token: Option<DeliveryToken>,
    ) -> Option<Self> {
        // Whatever a panic leaves behind, the acknowledgement was dropped, and that is the answer.
        let work = catch_unwind(AssertUnwindSafe(|| function(delivery, acknowledge))).ok()?;
        Some(Self { work: Work::Silent(work), consumer, token })
    }

    /// What it works on; nothing at most once.
    pub(in crate::bus) const fn delivery(&self) -> Option<DeliveryToken> {
        self.token
    }

    /// Whose it is.
    pub(in crate::bus) const fn consumer(&self) -> ConsumerId {
        self.consumer
    }
}

impl Future for Running {
    type Output = (Option<DeliveryToken>, Option<Verdict>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let token = self.token;
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut self.work {
            Work::Answers(work) => work.as_mut().poll(cx).map(Some),
            Work::Silent(work) => work.as_mut().poll(cx).map(|()| None),
        }));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(verdict)) => Poll::Ready((token, verdict)),
            Err(panic) => Poll::Ready((token, Some(panicked(panic)))),
        }
    }
}

/// What a panic says of a message.
fn panicked(panic: Box<dyn Any + Send>) -> Verdict {
    Verdict::Nack { delay: None, reason: format!("panicked: {}", panic_text(panic)) }
}
