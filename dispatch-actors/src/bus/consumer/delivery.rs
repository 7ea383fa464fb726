use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use actix::{Message, WeakRecipient};
use dispatch_core::log::{LogRecord, Offset};
use dispatch_core::subscription::DeliveryToken;
use dispatch_core::{Envelope, Topic};
use tokio::sync::mpsc;

/// A message on its way to a consumer.
///
/// It gives access to its envelope: `delivery.id()`, `delivery.raw_payload()`.
#[derive(Clone)]
pub struct Delivery {
    record: LogRecord,
    attempt: u32,
}

impl Delivery {
    pub(in crate::bus) const fn new(record: LogRecord, attempt: u32) -> Self {
        Self { record, attempt }
    }

    /// What was published.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.record.entry.envelope
    }

    /// What was published.
    #[must_use]
    pub fn into_envelope(self) -> Envelope {
        self.record.entry.envelope
    }

    /// The topic that it was published on.
    #[must_use]
    pub fn topic(&self) -> Option<&Topic> {
        self.envelope().topic()
    }

    /// Its place in the topic.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.record.offset
    }

    /// 1 for the first attempt. What comes again because a consumer went away has the same number. Attempts are counted in
    /// memory: after a restart the first one is 1 again.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was published. Of a message that was parked and is replayed, when its first attempt failed: a dead letter
    /// does not know more.
    #[must_use]
    pub const fn appended_at(&self) -> SystemTime {
        self.record.appended_at
    }
}

impl Deref for Delivery {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        self.envelope()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.topic())
            .field("offset", &self.offset())
            .field("attempt", &self.attempt)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// The message that an actor handles to be a consumer.
///
/// Take out what is kept for later: it ends with its handler, and so it is known whether a panic came of handling it. Of
/// messages that an actor keeps whole, the first one is charged for whatever it dies of.
///
/// ```
/// use actix::prelude::*;
/// use dispatch_actors::bus::Consume;
///
/// struct Billing;
///
/// impl Actor for Billing {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Consume> for Billing {
///     type Result = ();
///
///     fn handle(&mut self, consume: Consume, _: &mut Context<Self>) {
///         println!("{} of {:?}", consume.delivery.offset(), consume.delivery.topic());
///         consume.acknowledge.ack();
///     }
/// }
/// ```
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[non_exhaustive]
pub struct Consume {
    /// What was published.
    pub delivery: Delivery,
    /// How to answer.
    pub acknowledge: Acknowledge,
    /// Stays behind in the handler when the others are taken out, and ends with it.
    _handling: Handling,
}

impl Consume {
    pub(in crate::bus) const fn new(
        delivery: Delivery,
        acknowledge: Acknowledge,
        handling: Handling,
    ) -> Self {
        Self { delivery, acknowledge, _handling: handling }
    }
}

/// Whether the mailbox of an actor is still there, asked by what may be in it.
pub(in crate::bus) type Mailbox = Arc<WeakRecipient<Consume>>;

/// Tells when the handler of a delivery ends in a panic.
#[derive(Default)]
pub(in crate::bus) struct Handling(Option<(DeliveryToken, mpsc::UnboundedSender<Answer>, Mailbox)>);

impl Handling {
    pub(in crate::bus) const fn reliable(
        token: DeliveryToken,
        answers: mpsc::UnboundedSender<Answer>,
        mailbox: Mailbox,
    ) -> Self {
        Self(Some((token, answers, mailbox)))
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if let Some((token, answers, mailbox)) = self.0.take()
            && std::thread::panicking()
        {
            // A mailbox is closed before it drops what is in it, and after the actor was dropped.
            let begun = mailbox.upgrade().is_some_and(|recipient| recipient.connected());
            let _ = answers.send(Answer::Panicked { token, begun });
        }
    }
}

impl fmt::Debug for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handling")
    }
}

/// What a consumer answers to a delivery, once.
///
/// One that is dropped without an answer counts as refused, unless its consumer is gone; an actor has 50 ms to be found dead.
/// At most once, an answer says
/// only that the consumer has room for another message.
#[must_use = "a delivery that is not answered comes again"]
pub struct Acknowledge {
    inner: Option<Inner>,
}

enum Inner {
    Reliable { token: DeliveryToken, answers: mpsc::UnboundedSender<Answer> },
    Live(Arc<AtomicU32>),
}

/// An answer on its way to the subscription.
#[derive(Debug)]
pub(in crate::bus) enum Answer {
    Ack(DeliveryToken),
    AckUpTo(DeliveryToken),
    Nack {
        token: DeliveryToken,
        delay: Option<Duration>,
        reason: String,
        terminal: bool,
    },
    /// Nobody answered; in the middle of a panic or not.
    Dropped {
        token: DeliveryToken,
        panicking: bool,
    },
    /// After the drop of a delivery that was not answered: its handler has ended in a panic, or it had not begun when the
    /// actor died of something else.
    Panicked {
        token: DeliveryToken,
        begun: bool,
    },
}

impl Acknowledge {
    pub(in crate::bus) const fn reliable(
        token: DeliveryToken,
        answers: mpsc::UnboundedSender<Answer>,
    ) -> Self {
        Self { inner: Some(Inner::Reliable { token, answers }) }
    }

    /// At most once: the consumer has one more before it until this is dropped.
    pub(in crate::bus) fn live(before: &Arc<AtomicU32>) -> Self {
        before.fetch_add(1, Ordering::Relaxed);
        Self { inner: Some(Inner::Live(Arc::clone(before))) }
    }

    /// It was handled.
    pub fn ack(self) {
        self.answer(Answer::Ack);
    }

    /// It was handled, and so was everything before it in its topic that this consumer has.
    pub fn ack_up_to(self) {
        self.answer(Answer::AckUpTo);
    }

    /// It was not handled; it comes again when the policy of the subscription says so.
    pub fn nack(self, reason: impl Into<String>) {
        let reason = reason.into();
        self.answer(|token| Answer::Nack { token, delay: None, reason, terminal: false });
    }

    /// It was not handled; it comes again after this delay, as far as the policy allows it.
    pub fn nack_after(self, delay: Duration, reason: impl Into<String>) {
        let reason = reason.into();
        self.answer(|token| Answer::Nack { token, delay: Some(delay), reason, terminal: false });
    }

    /// It will never be handled: it is treated as one whose retries are used up.
    pub fn reject(self, reason: impl Into<String>) {
        let reason = reason.into();
        self.answer(|token| Answer::Nack { token, delay: None, reason, terminal: true });
    }

    /// All of these were handled.
    pub fn ack_all(all: impl IntoIterator<Item = Self>) {
        all.into_iter().for_each(Self::ack);
    }

    fn answer(mut self, make: impl FnOnce(DeliveryToken) -> Answer) {
        match self.inner.take() {
            Some(Inner::Reliable { token, answers }) => {
                // The subscription may have ended; what was not acknowledged then comes again.
                let _ = answers.send(make(token));
            }
            Some(live @ Inner::Live(_)) => drop(Self { inner: Some(live) }),
            None => {}
        }
    }
}

impl Drop for Acknowledge {
    fn drop(&mut self) {
        match self.inner.take() {
            Some(Inner::Reliable { token, answers }) => {
                let _ = answers.send(Answer::Dropped { token, panicking: std::thread::panicking() });
            }
            Some(Inner::Live(before)) => {
                before.fetch_sub(1, Ordering::Relaxed);
            }
            None => {}
        }
    }
}

impl fmt::Debug for Acknowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acknowledge")
    }
}
