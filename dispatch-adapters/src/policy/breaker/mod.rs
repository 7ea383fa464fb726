mod hold;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels};
use dispatch_core::policy::{
    BreakerConfig, BreakerPhase, BreakerState, Passage, Refusal, RefusedBy, Verdict,
};
use dispatch_core::uuid::Uuid;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::waiting::WaitingRoom;
use super::word::{Ticks, Word};
use super::{Call, Telemetry};

/// A circuit breaker: it stops calls to what fails, and finds out when it works again.
///
/// As a policy it reads the outcome of each call. As a handle ([`check`](Self::check),
/// [`record_failure`](Self::record_failure), [`record_success`](Self::record_success)) it serves code that makes
/// its calls itself. Clones are the same breaker, and may be used from any thread.
///
/// Only failures that trying again may help count: a destination that answers "this is not valid" works.
///
/// # Holding
/// With [`holding`](Self::holding), calls that an open breaker refuses wait for it to close, and a probe that fails
/// goes back to waiting. Neither costs an attempt of a [`Retry`](super::Retry) around it, however short the recovery
/// timeout is: only after [`hold_for`](Self::hold_for) a failed probe does, so that an envelope that fails by itself comes
/// to an end. Over the bound, calls are refused; so is a call whose retry policy has a `give_up_after`, when that time is
/// up. A refusal is not dead-lettered: the caller has what was refused.
///
/// A failure that opens it, a failed probe included, and names a delay (`Retry-After`) prolongs the time it stays open to
/// that delay, up to ten recovery timeouts.
///
/// ```
/// use dispatch_adapters::model::policy::BreakerConfig;
/// use dispatch_adapters::policy::{Breaker, Operation};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
/// let breaker = Breaker::new(config)?.named("ledger", "grpc");
/// assert!(breaker.check(Operation::new("book")).is_ok());
/// breaker.record_failure(Operation::new("book"));
/// let refused = breaker.check(Operation::new("book")).unwrap_err();
/// // ... or a little less, since time goes by.
/// assert!(refused.retry_in > Some(std::time::Duration::from_secs(50)));
/// assert!(refused.to_string().starts_with("the circuit breaker of ledger (grpc) is open: try again in "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
    telemetry: Option<Telemetry>,
    hold_for: Duration,
}

struct Shared {
    config: BreakerConfig,
    word: Word,
    ticks: Ticks,
    /// Wakes what is held, and who waits for it to refuse, when the breaker changes or a probe comes back.
    changed: Notify,
    held: WaitingRoom,
}

/// What a call is for, as logs show it.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    name: &'a str,
    correlation_id: Option<Uuid>,
}

impl<'a> Operation<'a> {
    /// An operation with a name.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self { name, correlation_id: None }
    }

    /// Adds the correlation id of the work it belongs to.
    #[must_use]
    pub const fn with_correlation_id(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }
}

impl Breaker {
    /// How long probes of a call that is held are free, unless something else is asked for.
    pub const HOLD_FOR: Duration = Duration::from_secs(24 * 3600);

    /// A closed breaker that refuses at once while it is open.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    pub fn new(config: BreakerConfig) -> Result<Self, RegistrationError> {
        Self::holding(config, 0)
    }

    /// A closed breaker that holds at most `max_held` calls while it is open; a batch counts as many as it has envelopes.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    pub fn holding(config: BreakerConfig, max_held: usize) -> Result<Self, RegistrationError> {
        RegistrationError::check(config.problems())?;
        let shared = Shared {
            config,
            word: Word::new(BreakerState::default().to_bits()),
            ticks: Ticks::start(),
            changed: Notify::new(),
            held: WaitingRoom::new(max_held),
        };
        Ok(Self { shared: Arc::new(shared), telemetry: None, hold_for: Self::HOLD_FOR })
    }

    /// A call that is held fails with its probe when it has failed as one for this long; 24 hours unless given.
    #[must_use]
    pub const fn hold_for(mut self, limit: Duration) -> Self {
        self.hold_for = limit;
        self
    }

    /// Names what it protects and how that is reached, for the handle's errors and logs. For metrics, and for observers,
    /// it needs a [`Telemetry`](Self::with_telemetry), which has these names as well.
    #[must_use]
    pub fn named(self, service: &str, transport: &str) -> Self {
        self.with_telemetry(Telemetry::new(DeliveryLabels::new(transport, service)))
    }

    /// Tells others what happens through the handle.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = Some(telemetry);
        self
    }

    /// The phase it is in.
    #[must_use]
    pub fn phase(&self) -> BreakerPhase {
        self.state().phase()
    }

    /// For how long at most it would refuse a call now, without letting one pass.
    pub(crate) fn refuses(&self) -> Option<Duration> {
        let now = self.shared.ticks.at(Instant::now());
        // A step on a copy: nothing is changed.
        self.state().admit(&self.shared.config, now).err()
    }

    /// Waits until it refuses; for how long at most it will.
    pub(crate) async fn refusing(&self) -> Duration {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if let Some(remaining) = self.refuses() {
                return remaining;
            }
            changed.await;
        }
    }

    /// Calls that are held; a batch counts as many as it has envelopes.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.held.waiting()
    }

    /// Whether a call may be made now. Report its outcome afterwards.
    ///
    /// # Errors
    /// The refusal, with the time that remains.
    pub fn check(&self, operation: Operation<'_>) -> Result<(), Refusal> {
        let telemetry = self.own_telemetry();
        match self.admit(Call::new(&telemetry)) {
            Ok(_) => Ok(()),
            Err(remaining) => {
                telemetry.emit(DeliveryEvent::Refused { by: RefusedBy::CircuitOpen });
                let DeliveryLabels { adapter, destination } = telemetry.labels();
                tracing::debug!(
                    service_name = &**destination,
                    transport_type = &**adapter,
                    operation = operation.name,
                    correlation_id = operation.correlation_id.map(tracing::field::display),
                    remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
                    "refused by an open circuit breaker"
                );
                Err(Refusal {
                    by: RefusedBy::CircuitOpen,
                    service: Arc::clone(destination),
                    transport: Arc::clone(adapter),
                    retry_in: Some(remaining),
                })
            }
        }
    }

    /// A call has failed.
    pub fn record_failure(&self, operation: Operation<'_>) {
        self.record(Verdict::Failure, operation);
    }

    /// A call has succeeded.
    pub fn record_success(&self, operation: Operation<'_>) {
        self.record(Verdict::Success, operation);
    }

    /// Closes it, whatever it was: for an operator who knows that the service works.
    pub fn reset(&self, operation: Operation<'_>) {
        let telemetry = self.own_telemetry();
        let DeliveryLabels { adapter, destination } = telemetry.labels();
        tracing::info!(
            service_name = &**destination,
            transport_type = &**adapter,
            operation = operation.name,
            correlation_id = operation.correlation_id.map(tracing::field::display),
            "circuit breaker reset"
        );
        self.step(Call::new(&telemetry), BreakerState::reset);
    }

    fn record(&self, verdict: Verdict, operation: Operation<'_>) {
        let telemetry = self.own_telemetry();
        let config = self.shared.config;
        let phase = self.step(Call::new(&telemetry), |state, now| {
            state.record(&config, verdict, now);
            state.phase()
        });
        let DeliveryLabels { adapter, destination } = telemetry.labels();
        tracing::trace!(
            service_name = &**destination,
            transport_type = &**adapter,
            operation = operation.name,
            correlation_id = operation.correlation_id.map(tracing::field::display),
            phase = phase.as_str(),
            ?verdict,
            "recorded by a circuit breaker"
        );
    }

    fn own_telemetry(&self) -> Telemetry {
        self.telemetry.clone().unwrap_or_else(|| Telemetry::new(DeliveryLabels::new("call", "service")))
    }

    fn state(&self) -> BreakerState {
        BreakerState::from_bits(self.shared.word.load())
    }

    fn admit(&self, call: Call<'_>) -> Result<Passage, Duration> {
        let config = &self.shared.config;
        self.step(call, |state, now| state.admit(config, now))
    }

    /// Runs a step, wakes what is held if that may go on, and says so if the phase has changed.
    fn step<T>(&self, call: Call<'_>, mut step: impl FnMut(&mut BreakerState, Duration) -> T) -> T {
        let now = self.shared.ticks.at(call.clock());
        let (before, after, answer) =
            self.shared.word.step(BreakerState::from_bits, BreakerState::to_bits, |state| step(state, now));
        let (from, to) = (before.phase(), after.phase());
        // A count of failures while it is closed is of interest to nobody.
        if before != after && (from, to) != (BreakerPhase::Closed, BreakerPhase::Closed) {
            self.shared.changed.notify_waiters();
        }
        if from != to {
            call.telemetry.emit(DeliveryEvent::BreakerChanged { from, to });
            let DeliveryLabels { adapter, destination } = call.telemetry.labels();
            tracing::warn!(
                service_name = &**destination,
                transport_type = &**adapter,
                from = from.as_str(),
                to = to.as_str(),
                "circuit breaker changed"
            );
        }
        answer
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("phase", &self.phase())
            .field("config", &self.shared.config)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}
