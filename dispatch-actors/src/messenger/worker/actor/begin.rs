//! How messages are begun with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::DispatcherId;
use dispatch_core::messenger::Judgement;
use dispatch_core::queue::{LeaseToken, Outcome};
use tokio::time::Instant;

use super::super::protocol::{Handled, NotDispatched};
use super::WorkerActor;

impl WorkerActor {
    /// Keeps to the rates that are configured by now.
    pub(super) fn look_at_rates(&mut self) {
        let revision = Some(self.messenger.shared.configured.revision());
        if self.revision != revision {
            self.revision = revision;
            for (place, transport) in self.config.transports.iter().enumerate() {
                // One that was removed is worked off at the rate that it had.
                if let Some(rates) = self.messenger.rates_of(transport) {
                    self.state.set_rates(place, rates);
                }
            }
        }
    }

    /// Begins with messages, as many as may be handled at a time.
    pub(super) fn begin_some(&mut self, ctx: &mut Context<Self>) {
        while self.hand.running() < self.state.concurrency() {
            let now = self.now();
            let Some((token, held)) = self.hand.next() else { return };
            let leased = &held.leased;
            let policy = self.messenger.retry_of(&leased.message.message_type);
            if let Some(judgement) = Judgement::before(leased, &policy) {
                self.judge(&token, judgement, None, ctx);
                continue;
            }
            if let Err(wait) = self.state.begin(held.source, leased.message.ordering_key.as_deref(), now) {
                self.hold_back(&token, wait, ctx);
                continue;
            }
            let (message, handled) = (Arc::clone(&leased.message), leased.succeeded.clone());
            let (attempt, claim) = (leased.attempt, leased.token.claim);
            let waited = leased.waited();
            self.figures.of(held.source, |work| {
                work.of_type(leased.message.message_type.as_str(), |own| own.begun(waited));
            });
            self.hand.begin(&token);
            let (engine, address) = (self.engine.clone(), ctx.address());
            actix::spawn(async move {
                let begun = Instant::now();
                let handled: Vec<_> = handled.into_iter().map(DispatcherId::new).collect();
                let envelope = message.to_envelope_of(attempt, claim);
                let result = match message.topic() {
                    Err(error) => Err(NotDispatched::NoTopic(error.to_string())),
                    Ok(topic) if handled.is_empty() => {
                        engine.dispatch(topic, envelope).await.map_err(NotDispatched::Refused)
                    }
                    Ok(topic) => {
                        let rest = engine.dispatch_rest(topic, envelope, handled);
                        rest.await.map_err(NotDispatched::Refused)
                    }
                };
                address.do_send(Handled { token, result, ran: begun.elapsed() });
            });
        }
    }

    /// Hands a message back until its rate lets it begin.
    fn hold_back(&mut self, token: &LeaseToken, wait: Duration, ctx: &mut Context<Self>) {
        let Some(held) = self.put_down(token) else { return };
        self.report.held_back += 1;
        self.figures.of(held.source, |work| work.handed_back += 1);
        self.state.handed_back();
        let at = whole_millis(held.now_by_queue() + wait);
        tracing::debug!(message_id = %token.id, wait_ms = wait.as_millis(), "a message is over its rate, and is handed back");
        self.settle(held.source, &held.leased, Outcome::Release { at: Some(at) }, ctx);
    }
}

/// The next whole millisecond: stores keep no parts of it, and would give a message back too early.
fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let parts = since.subsec_nanos() % 1_000_000;
    if parts == 0 { time } else { time + Duration::from_nanos(u64::from(1_000_000 - parts)) }
}
