//! What consumers get, and what they answer.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::log::LogRecord;
use dispatch_core::subscription::{ConsumerId, DeliveryToken, Effect, Event};
use tokio::sync::mpsc;

use super::Reliable;
use super::doubts::{DYING, Dropped};
use crate::bus::BusError;
use crate::bus::consumer::{
    Acknowledge, Answer, Change, Connected, Consume, Delivery, Handle, Handling, Running, Verdict,
};
use crate::bus::subscription::Connect;

/// What is said of a message whose consumer panicked.
const PANICKED: &str = "the consumer panicked";

impl Reliable {
    /// A consumer was added, unless the state has refused it.
    pub(super) fn added(&mut self, consumer: ConsumerId, effects: &[Effect<LogRecord>]) {
        let Some(index) = self.connecting.iter().position(|(id, _)| *id == consumer) else { return };
        let Connect { name, make, reply, .. } = self.connecting.remove(index).1;
        if self.connecting.is_empty() {
            self.connecting = Vec::new();
        }
        let refused = effects.iter().any(|effect| matches!(effect, Effect::Refused(id) if *id == consumer));
        if !refused {
            let connected = Connected { name, handle: make(), beside: () };
            if let Some(change) = self.consumers.add(consumer, connected) {
                self.changed(consumer, change);
            }
        }
        // Whoever asked may have gone; then nobody removes the consumer, which is as they left it.
        let refused = refused.then(|| BusError::ConsumerRefused { name: self.name() });
        let _ = reply.send(refused.map_or(Ok(consumer), Err));
    }

    pub(super) fn deliver(&mut self, token: DeliveryToken, record: LogRecord, cx: &mut Context<'_>) {
        let Some(connected) = self.consumers.get(token.consumer) else {
            self.push(Event::ConsumerGone { consumer: token.consumer });
            return;
        };
        let delivery = Delivery::new(record, token.attempt);
        let answers = &mut self.answers;
        let recipient = match &connected.handle {
            Handle::Function(function) => {
                match Running::answering(function, delivery, token.consumer, Some(token)) {
                    Ok(running) => self.run(running, cx),
                    Err(verdict) => self.finished(Some(token), Some(verdict)),
                }
                return;
            }
            Handle::Manual(function) => {
                let acknowledge = acknowledge(answers, token);
                if let Some(running) =
                    Running::manual(function, delivery, acknowledge, token.consumer, Some(token))
                {
                    self.run(running, cx);
                }
                return;
            }
            Handle::Actor(..) | Handle::Supervised(_) => connected.handle.recipient(),
        };
        if let Some((recipient, mailbox)) = recipient {
            let (answer, _) = answers.get_or_insert_with(mpsc::unbounded_channel);
            let handling = Handling::reliable(token, answer.clone(), Arc::clone(mailbox));
            // The window bounds what is in the mailbox.
            recipient.do_send(Consume::new(delivery, acknowledge(answers, token), handling));
        } else {
            self.dropped(token, false);
        }
    }

    fn run(&mut self, mut running: Running, cx: &mut Context<'_>) {
        match Pin::new(&mut running).poll(cx) {
            Poll::Ready((token, verdict)) => self.finished(token, verdict),
            Poll::Pending => self.running.push(running),
        }
    }

    pub(super) fn finished(&mut self, token: Option<DeliveryToken>, verdict: Option<Verdict>) {
        let (Some(token), Some(verdict)) = (token, verdict) else { return };
        let event = match verdict {
            Verdict::Ack => Event::Ack(token),
            Verdict::Nack { delay, reason } => self.nack(token, delay, &reason, false),
            Verdict::Reject { reason } => self.nack(token, None, &reason, true),
        };
        self.push(event);
    }

    /// Deliveries that were not answered in time: a function that works on one is dropped where it stands, before the
    /// message goes to another.
    pub(super) fn time_out(&mut self, effects: &[Effect<LogRecord>]) {
        let timed_out = |effect: &Effect<LogRecord>| match effect {
            Effect::TimedOut(token) => Some(*token),
            _ => None,
        };
        let tokens: HashSet<_> = effects.iter().filter_map(timed_out).collect();
        if tokens.is_empty() {
            return;
        }
        self.running.retain(|running| running.delivery().is_none_or(|token| !tokens.contains(&token)));
        for token in tokens {
            let consumer = self.consumers.get(token.consumer);
            if consumer.is_some_and(|it| matches!(it.handle, Handle::Function(_))) {
                self.push(Event::GaveUp(token));
            }
        }
    }

    pub(super) fn answered(&mut self, answer: Answer) {
        let event = match answer {
            Answer::Ack(token) => Event::Ack(token),
            Answer::AckUpTo(token) => Event::AckUpTo(token),
            Answer::Nack { token, delay, reason, terminal } => self.nack(token, delay, &reason, terminal),
            Answer::Dropped { token, panicking } => return self.dropped(token, panicking),
            Answer::Panicked { token, begun: true } => {
                let Some(until) = self.doubtful_until(token.consumer) else { return };
                if !self.doubts.panicked(token, until) {
                    return;
                }
                self.nack(token, None, PANICKED, false)
            }
            Answer::Panicked { token, .. } => return self.doubts.not_begun(token),
        };
        self.push(event);
    }

    /// Nobody has answered a delivery, and nobody will.
    fn dropped(&mut self, token: DeliveryToken, panicking: bool) {
        let until = self.doubtful_until(token.consumer);
        // Functions do not die.
        if until.is_none_or(|until| self.doubts.dropped(Dropped { token, panicking, until })) {
            self.refused(token, panicking);
        }
    }

    fn refused(&mut self, token: DeliveryToken, panicking: bool) {
        let reason = if panicking { PANICKED } else { "dropped without an answer" };
        self.push(self.nack(token, None, reason, false));
    }

    /// Until when an actor is given time to be found dead: on this thread that is known at once.
    fn doubtful_until(&self, consumer: ConsumerId) -> Option<Duration> {
        match self.consumers.get(consumer)?.handle {
            Handle::Function(_) | Handle::Manual(_) => None,
            Handle::Actor(..) => Some(self.parts.shared.clock.now().saturating_add(DYING)),
            Handle::Supervised(_) => Some(Duration::ZERO),
        }
    }

    /// Takes leave of actors that are dead, `died` among them, and decides about those that were given their time.
    pub(super) fn bury(&mut self, died: Vec<ConsumerId>, now: Duration) {
        let mut dead = died;
        dead.extend(self.consumers.beat(now));
        let is_gone = |id: &ConsumerId| self.consumers.get(*id).is_none_or(|it| !it.handle.is_connected());
        dead.extend(self.doubts.consumers().filter(is_gone));
        if !dead.is_empty() {
            // What they have died of was said before, and polling may have ended before that.
            self.hear_answers();
        }
        for consumer in dead {
            self.lost(consumer);
        }
        for dropped in self.doubts.over(now) {
            self.refused(dropped.token, dropped.panicking);
        }
    }

    fn nack(
        &self,
        token: DeliveryToken,
        delay: Option<Duration>,
        reason: &str,
        terminal: bool,
    ) -> Event<LogRecord> {
        let reason = self.parts.shared.sanitizer.sanitize_text(reason);
        Event::Nack { token, delay, reason, terminal }
    }

    /// The actor of a consumer is dead.
    fn lost(&mut self, consumer: ConsumerId) {
        if let Some(token) = self.doubts.gone(consumer) {
            let reason = self.parts.shared.sanitizer.sanitize_text(PANICKED);
            self.push(Event::Suspected { token, reason });
        }
        if let Some(change) = self.consumers.lost(consumer, self.parts.shared.clock.now()) {
            self.changed(consumer, change);
        }
    }

    pub(super) fn changed(&mut self, consumer: ConsumerId, change: Change) {
        self.push(match change {
            Change::Up => Event::ConsumerUp { consumer },
            Change::Down => Event::ConsumerDown { consumer },
            Change::Gone => Event::ConsumerGone { consumer },
        });
    }
}

/// How consumers answer by themselves.
pub(super) type Answers = (mpsc::UnboundedSender<Answer>, mpsc::UnboundedReceiver<Answer>);

fn acknowledge(answers: &mut Option<Answers>, token: DeliveryToken) -> Acknowledge {
    let (answer, _) = answers.get_or_insert_with(mpsc::unbounded_channel);
    Acknowledge::reliable(token, answer.clone())
}
