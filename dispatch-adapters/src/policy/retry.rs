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
/// - `give_up_after` also ends a call that a breaker further inside holds: it is refused. (Around an adapter, a dispatcher
///   and in a [`Delivery`](crate::Delivery) without a batch; a batch is held for all its envelopes together.)
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

    fn first_attempt(&self) {
        if let Some(config) = &self.policy.budget {
            self.shared.budget.step(RetryBudget::from_bits, RetryBudget::to_bits, |budget| {
                budget.deposit(config);
            });
        }
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

    /// Waits until the budget allows another attempt.
    async fn spend(&self, call: Call<'_>) {
        let Some(config) = &self.policy.budget else {
            return;
        };
        loop {
            let now = self.shared.ticks.at(call.clock());
            let taken = self
                .shared
                .budget
                .step(RetryBudget::from_bits, RetryBudget::to_bits, |budget| budget.withdraw(config, now));
            let Err(wait) = taken.2 else {
                return;
            };
            call.telemetry.emit(DeliveryEvent::BudgetEmpty { wait });
            tokio::time::sleep(wait).await;
            call.waited();
        }
    }
}

/// What is remembered of a first failure.
struct First {
    text: String,
    wall: SystemTime,
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
            self.first_attempt();
            let started = self.policy.give_up_after.map(|_| Instant::now());
            if let (Some(started), Some(limit)) = (started, self.policy.give_up_after) {
                call.give_up_by(started.checked_add(limit));
            }
            let mut first: Option<First> = None;
            let mut retries = 0;
            loop {
                let error = match attempt().await {
                    Ok(done) => return Ok(done),
                    Err(error) if error.refusal().is_some() && !error.is_worth_retrying() => {
                        // Refused now, but attempts were made before: whoever is told has to know.
                        return Err(match first {
                            None => error,
                            Some(First { text, wall }) => error.with_history(History {
                                attempts: retries,
                                first_error: text,
                                first_failed_at: wall,
                                last_failed_at: call.telemetry.now(),
                            }),
                        });
                    }
                    Err(error) => error,
                };
                let wall = call.telemetry.now();
                let first = first.get_or_insert_with(|| First { text: error.text(), wall });
                let delay =
                    error.is_worth_retrying().then(|| self.delay(error.kind(), retries)).flatten().filter(
                        |delay| {
                            self.policy.has_time(started.map_or(Duration::ZERO, |at| at.elapsed()), *delay)
                        },
                    );
                let Some(delay) = delay else {
                    return Err(error.with_history(History {
                        attempts: retries.saturating_add(1),
                        first_error: std::mem::take(&mut first.text),
                        first_failed_at: first.wall,
                        last_failed_at: wall,
                    }));
                };
                retries = retries.saturating_add(1);
                call.telemetry.emit(DeliveryEvent::Retrying { retry: retries, delay });
                drop(error);
                tokio::time::sleep(delay).await;
                call.waited();
                self.spend(call).await;
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.policy.problems()
    }
}
