//! Deliveries that an actor has dropped without an answer, until it is known whether it lives on.

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_core::subscription::{ConsumerId, DeliveryToken};

/// How long an actor on another thread may take to die once it has begun with that: it drops what it has kept before
/// anybody can tell that it is gone.
pub(super) const DYING: Duration = Duration::from_millis(50);

/// What actors have dropped and not answered.
///
/// - If its actor turns out to be dead, a message was not refused. If that was a panic, one message may be the cause: the
///   one whose handler has ended in it, else perhaps the first that was dropped.
/// - If its actor lives on when the time is over, it has refused the message.
#[derive(Default)]
pub(super) struct Doubts(BTreeMap<ConsumerId, Doubt>);

#[derive(Default)]
struct Doubt {
    dropped: Vec<Dropped>,
    /// The delivery whose handler has ended in a panic. Of an actor that keeps messages whole this may be said of each that
    /// it kept, and the first time counts.
    cause: Option<(DeliveryToken, Duration)>,
}

/// A delivery that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) token: DeliveryToken,
    pub(super) panicking: bool,
    /// Until when its actor is given time to be found dead.
    pub(super) until: Duration,
}

impl Doubts {
    /// A delivery was dropped; `true` if it is the cause of a panic, and has failed by that.
    pub(super) fn dropped(&mut self, dropped: Dropped) -> bool {
        let doubt = self.0.entry(dropped.token.consumer).or_default();
        let is_cause = doubt.cause.is_some_and(|(token, _)| token == dropped.token);
        if !is_cause {
            doubt.dropped.push(dropped);
        }
        is_cause
    }

    /// The handler of a delivery has ended in a panic; `true` if it was dropped and has failed by that.
    pub(super) fn panicked(&mut self, token: DeliveryToken, until: Duration) -> bool {
        let doubt = self.0.entry(token.consumer).or_default();
        if doubt.cause.is_some() {
            return false;
        }
        doubt.cause = Some((token, until));
        let before = doubt.dropped.len();
        doubt.dropped.retain(|dropped| dropped.token != token);
        doubt.dropped.len() < before
    }

    /// A delivery was still in the mailbox, so nobody died of it.
    pub(super) fn not_begun(&mut self, token: DeliveryToken) {
        let doubt = self.0.get_mut(&token.consumer);
        for dropped in doubt.into_iter().flat_map(|doubt| &mut doubt.dropped) {
            dropped.panicking &= dropped.token != token;
        }
    }

    /// Whose they are.
    pub(super) fn consumers(&self) -> impl Iterator<Item = ConsumerId> {
        self.0.keys().copied()
    }

    /// When the first of them is decided if its actor is still there.
    pub(super) fn due(&self) -> Option<Duration> {
        let times = |doubt: &Doubt| {
            let cause = doubt.cause.map(|(_, until)| until);
            doubt.dropped.iter().map(|dropped| dropped.until).chain(cause).min()
        };
        self.0.values().filter_map(times).min()
    }

    /// Those whose time is over, of actors that are there: they were refused.
    pub(super) fn over(&mut self, now: Duration) -> Vec<Dropped> {
        let mut refused = Vec::new();
        self.0.retain(|_, doubt| {
            refused.extend(doubt.dropped.extract_if(.., |dropped| dropped.until <= now));
            doubt.cause = doubt.cause.filter(|(_, until)| *until > now);
            doubt.cause.is_some() || !doubt.dropped.is_empty()
        });
        refused
    }

    /// A consumer is gone: the delivery of which it may have died.
    pub(super) fn gone(&mut self, consumer: ConsumerId) -> Option<DeliveryToken> {
        let Doubt { dropped, cause, .. } = self.0.remove(&consumer)?;
        let first = dropped.into_iter().find(|dropped| dropped.panicking);
        first.filter(|_| cause.is_none()).map(|dropped| dropped.token)
    }
}
