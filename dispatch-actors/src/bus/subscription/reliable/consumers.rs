//! What consumers get, and what they answer.

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dispatch_core::log::LogRecord;
use dispatch_core::subscription::{ConsumerId, DeliveryToken, Effect, Event};
use tokio::sync::mpsc;

use super::Reliable;
use crate::bus::BusError;
use crate::bus::consumer::{
    Acknowledge, Answer, Change, Connected, Consume, Delivery, Handle, Running, Verdict,
};
use crate::bus::subscription::Connect;

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
            Handle::Actor(_) | Handle::Supervised(_) => connected.handle.recipient(),
        };
        match recipient {
            // The window bounds what is in the mailbox.
            Some(recipient) => recipient.do_send(Consume::new(delivery, acknowledge(answers, token))),
            None => self.lost(token.consumer),
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
            Answer::Dropped { token, panicking } => {
                let gone = self.consumers.get(token.consumer).is_some_and(|it| !it.handle.is_connected());
                if panicking {
                    let nack = self.nack(token, None, "the consumer panicked", false);
                    self.push(nack);
                }
                if gone {
                    self.lost(token.consumer);
                }
                if gone || panicking {
                    return;
                }
                self.nack(token, None, "dropped without an answer", false)
            }
        };
        self.push(event);
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
    pub(super) fn lost(&mut self, consumer: ConsumerId) {
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
