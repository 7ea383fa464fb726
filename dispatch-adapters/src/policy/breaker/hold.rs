//! A breaker around calls: it lets them pass, holds them, and reads their outcome.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use dispatch_core::delivery::{DeliveryErrorKind, DeliveryEvent};
use dispatch_core::policy::{BreakerPhase, Failure, Passage, RefusedBy, Verdict};
use tokio::time::Instant;

use super::Breaker;
use crate::policy::waiting::Seat;
use crate::policy::{Call, Failed, Policy};

impl Breaker {
    /// Room for a call that is held. A batch that is larger than all the room there is takes all of it.
    pub(crate) fn seat(&self, call: Call<'_>) -> Option<Seat<'_>> {
        let room = &self.shared.held;
        (room.seats() > 0).then(|| room.enter_together(call.envelopes().min(room.seats()))).flatten()
    }

    /// Waits until a call may pass; it keeps the seat that it takes for that.
    async fn pass<'a, E: Failure>(
        &'a self,
        call: Call<'a>,
        failed_probes: u32,
        seat: &mut Option<Seat<'a>>,
    ) -> Result<Permit<'a>, E> {
        let permit = |passage| Permit { breaker: self, call, passage: Some(passage) };
        let mut remaining = match self.admit(call) {
            Ok(passage) => return Ok(permit(passage)),
            Err(remaining) => remaining,
        };
        if seat.is_none() {
            *seat = self.seat(call);
        }
        if seat.is_none() {
            return Err(call.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining)));
        }
        call.telemetry.emit(DeliveryEvent::Held { remaining });
        let _held = Held { call, since: call.clock() };
        // Whoever has failed as a probe lets the others try first.
        let manners = Duration::from_millis(u64::from(failed_probes).min(1000));
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            match self.admit(call) {
                Ok(passage) => return Ok(permit(passage)),
                Err(left) => remaining = left,
            }
            let next = tokio::time::sleep(remaining + manners);
            let end = call.gives_up_at();
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                    call.waited();
                    return Err(call.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining)));
                }
                () = next => {}
            }
            call.waited();
        }
    }
}

impl Policy for Breaker {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let mut failed_probes = 0_u32;
            let mut failed = None;
            let mut seat = None;
            let mut failing_since: Option<Instant> = None;
            loop {
                let permit = match self.pass(call, failed_probes, &mut seat).await {
                    Ok(permit) => permit,
                    // It was tried, and whoever is told has to know.
                    Err(refused) => return Err(Failed::tell(failed, refused)),
                };
                let probe = permit.is_probe();
                if probe && seat.is_none() {
                    // So that there is room for it if it fails.
                    seat = self.seat(call);
                }
                let result = attempt().await;
                let verdict = match &result {
                    Ok(_) => Verdict::Success,
                    Err(error) if error.is_fault() => Verdict::Failure,
                    Err(_) => Verdict::Unknown,
                };
                let wait = result.as_ref().err().and_then(|error| match error.kind() {
                    DeliveryErrorKind::RetryAfter(wait) => Some(wait),
                    _ => None,
                });
                permit.settle(verdict, wait);
                if !probe || verdict != Verdict::Failure || self.shared.held.seats() == 0 {
                    return result;
                }
                let now = call.clock();
                // Over all attempts of the call, or over this one if nothing else is known.
                let since = (*failing_since.get_or_insert(now)).min(call.failing_since(now));
                if now.saturating_duration_since(since) >= self.hold_for {
                    return result;
                }
                failed_probes = failed_probes.saturating_add(1);
                if let Err(error) = &result {
                    Failed::note(&mut failed, error, call.telemetry.now());
                }
            }
        }
    }
}

/// A call that is held.
struct Held<'a> {
    call: Call<'a>,
    since: Instant,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.call.waited();
        self.call.held(self.call.clock().saturating_duration_since(self.since));
    }
}

/// A call that passed; dropped without an outcome, it says nothing about the destination.
struct Permit<'a> {
    breaker: &'a Breaker,
    call: Call<'a>,
    passage: Option<Passage>,
}

impl Permit<'_> {
    fn is_probe(&self) -> bool {
        self.passage.is_some_and(Passage::is_probe)
    }

    fn settle(mut self, verdict: Verdict, wait: Option<Duration>) {
        self.report(verdict, wait);
    }

    /// `wait` is what the destination has asked for; whoever opens the breaker, or a probe that failed, asks for all.
    fn report(&mut self, verdict: Verdict, wait: Option<Duration>) {
        if let Some(passage) = self.passage.take() {
            let config = self.breaker.shared.config;
            self.breaker.step(self.call, |state, now| {
                let before = state.phase();
                state.settle(&config, passage, verdict, now);
                if before != BreakerPhase::Open
                    && let Some(wait) = wait
                {
                    state.postpone(&config, wait, now);
                }
            });
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.passage.is_some() {
            // It was given up; nobody knows how long it had waited.
            self.call.waited();
        }
        self.report(Verdict::Unknown, None);
    }
}
