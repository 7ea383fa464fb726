use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{DeliveryErrorKind, DeliveryEvent};
use dispatch_core::error::Problem;
use dispatch_core::policy::{Failure, History, RetryBudget, RetryPolicy};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::word::{Ticks, Word};
use super::{Call, Policy};

/// Makes failed attempts again.
///
/// - What trying again cannot help is not tried again.
/// - A refusal by a policy further inside is handed on as it is: nothing was attempted. Only where a pool of connections
///   was exhausted is it tried again, and counted as an attempt.
/// - `give_up_after` also ends the wait for a budget that is empty, and a call that a breaker further inside holds: it is
///   refused. What the queue of a [`Delivery`](crate::Delivery) has taken stays held, and that time does not count.
/// - The error at the end carries the [`History`] of the attempts.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: Arc<RetryPolicy>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    budget: Word,
    ticks: Ticks,
    seed: AtomicU64,
}

impl Retry {
    /// Retries by a policy; the jitter is seeded from the system.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self::seeded(policy, rand::rng().random())
    }

    /// Retries by a policy, with the same jitter for the same seed and order of failures.
    #[must_use]
    pub fn seeded(policy: RetryPolicy, seed: u64) -> Self {
        let budget = policy.budget.as_ref().map_or(0, |config| RetryBudget::new(config).to_bits());
        let shared = Shared { budget: Word::new(budget), ticks: Ticks::start(), seed: AtomicU64::new(seed) };
        Self { policy: Arc::new(policy), shared: Arc::new(shared) }
    }

    /// The attempts of a call begin.
    pub(crate) fn begin(&self, call: Call<'_>) -> Attempts<'_> {
        if let Some(config) = &self.policy.budget {
            self.shared.budget.step(RetryBudget::from_bits, RetryBudget::to_bits, |budget| {
                budget.deposit(config);
            });
        }
        let started = self.policy.give_up_after.map(|_| Instant::now());
        if let (Some(started), Some(limit)) = (started, self.policy.give_up_after) {
            call.give_up_by(started.checked_add(limit));
        }
        Attempts { retry: self, started, retries: 0 }
    }

    /// When a call that begins now is given up, if ever.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        self.policy.give_up_after.and_then(|limit| Instant::now().checked_add(limit))
    }

    /// The delay after a failure, if another attempt is allowed.
    fn delay(&self, kind: DeliveryErrorKind, retries: u32) -> Option<Duration> {
        let seed = self.shared.seed.fetch_add(1, Ordering::Relaxed);
        let delay = self.policy.delay(retries, &mut SmallRng::seed_from_u64(seed))?;
        match kind {
            DeliveryErrorKind::RetryAfter(wanted) => Some(self.policy.clamp(wanted)),
            _ => Some(delay),
        }
    }
}

/// The attempts of one call.
pub(crate) struct Attempts<'a> {
    retry: &'a Retry,
    /// When they began, if they have an end.
    started: Option<Instant>,
    retries: u32,
}

impl Attempts<'_> {
    /// Waits after a failed attempt until the next one is due; false if there is none any more.
    pub(crate) async fn wait_for_next(&mut self, failed: DeliveryErrorKind, call: Call<'_>) -> bool {
        let Some(delay) = self.retry.delay(failed, self.retries).filter(|delay| self.has_time(*delay, call))
        else {
            return false;
        };
        self.retries = self.retries.saturating_add(1);
        tokio::time::sleep(delay).await;
        call.waited();
        let goes_on = self.spend(call).await;
        if goes_on {
            call.telemetry.emit(DeliveryEvent::Retrying { retry: self.retries, delay });
        }
        goes_on
    }

    fn has_time(&self, wait: Duration, call: Call<'_>) -> bool {
        let elapsed = self.started.map_or(Duration::ZERO, |at| at.elapsed());
        self.retry.policy.has_time(elapsed.saturating_sub(call.time_held()), wait)
    }

    /// Waits until the budget allows another attempt; false if that takes too long.
    async fn spend(&self, call: Call<'_>) -> bool {
        let Retry { policy, shared } = self.retry;
        let Some(config) = &policy.budget else {
            return true;
        };
        loop {
            let now = shared.ticks.at(call.clock());
            let taken = shared
                .budget
                .step(RetryBudget::from_bits, RetryBudget::to_bits, |budget| budget.withdraw(config, now));
            let Err(wait) = taken.2 else {
                return true;
            };
            call.telemetry.emit(DeliveryEvent::BudgetEmpty { wait });
            if !self.has_time(wait, call) {
                return false;
            }
            tokio::time::sleep(wait).await;
            call.waited();
        }
    }
}

/// What is remembered of attempts that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    attempts: u32,
    first_error: String,
    first_at: SystemTime,
    last_at: SystemTime,
}

impl Failed {
    /// Takes note of another one.
    pub(crate) fn note(before: &mut Option<Self>, error: &impl Failure, at: SystemTime) {
        match before {
            None => {
                *before = Some(Self { attempts: 1, first_error: error.text(), first_at: at, last_at: at });
            }
            Some(failed) => {
                failed.attempts = failed.attempts.saturating_add(1);
                failed.last_at = at;
            }
        }
    }

    /// The error with what was tried.
    pub(crate) fn tell<E: Failure>(before: Option<Self>, error: E) -> E {
        // What a refusal tells of was not noted, unless it counts as an attempt itself.
        let is_noted = error.refusal().is_none() || error.is_worth_retrying();
        let inside = error.history().filter(|_| !is_noted).map_or(0, |history| history.attempts);
        match before {
            None => error,
            Some(Self { attempts, first_error, first_at, last_at }) => error.with_history(History {
                // With probes that failed before a breaker refused.
                attempts: attempts.saturating_add(inside),
                first_error,
                first_failed_at: first_at,
                last_failed_at: last_at,
            }),
        }
    }
}

impl Policy for Retry {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let mut attempts = self.begin(call);
            let mut failed = None;
            loop {
                let error = match attempt().await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                };
                if error.refusal().is_some() && !error.is_worth_retrying() {
                    // Refused now, but attempts may have been made before: whoever is told has to know.
                    return Err(Failed::tell(failed, error));
                }
                Failed::note(&mut failed, &error, call.telemetry.now());
                if !(error.is_worth_retrying() && attempts.wait_for_next(error.kind(), call).await) {
                    return Err(Failed::tell(failed, error));
                }
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.policy.problems()
    }
}
