//! What consumers answer, and when it is heard.

use std::time::Duration;

use dispatch_core::subscription::{DeliveryToken, Event};
use proptest::sample::Index;

use super::world::World;

impl World {
    pub(super) fn pick(&self, which: Index) -> Option<DeliveryToken> {
        let tokens: Vec<_> = self.naive.in_flight().map(|(_, token)| token).collect();
        (!tokens.is_empty()).then(|| *which.get(&tokens))
    }

    pub(super) fn ack(&mut self, token: DeliveryToken) {
        if self.naive.is_current(&token) {
            self.naive.acked += 1;
            self.naive.settle(token.offset.get());
        } else {
            self.naive.stale += 1;
        }
        self.simulation.step(Event::Ack(token));
    }

    pub(super) fn ack_up_to(&mut self, token: DeliveryToken) {
        let theirs: Vec<_> = self.naive.in_flight().collect();
        for (offset, other) in theirs {
            if other.consumer == token.consumer && offset <= token.offset.get() {
                self.naive.acked += 1;
                self.naive.settle(offset);
            }
        }
        self.simulation.step(Event::AckUpTo(token));
    }

    pub(super) fn nack(&mut self, token: DeliveryToken, delay: Option<Duration>, terminal: bool) {
        self.naive.nacked += 1;
        self.naive.failed(token.offset.get(), delay, terminal, self.simulation.now);
        self.simulation.step(Event::Nack { token, delay, reason: "no".to_owned(), terminal });
    }

    /// The thread is away: time goes by, and nobody ticks. Then the answers that wait are told, and after them what was not
    /// answered is late.
    pub(super) fn stall(&mut self, time: Duration, answers: &[Index]) {
        self.simulation.now += time;
        for which in answers {
            if let Some(token) = self.pick(*which) {
                self.ack(token);
                self.look(None);
            }
        }
        self.naive.late(self.simulation.now);
        self.simulation.step(Event::Tick);
    }
}
