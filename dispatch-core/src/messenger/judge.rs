use std::fmt::Write as _;
use std::time::Duration;

use rand::Rng;

use crate::dispatch::{DispatchResult, DispatchStatus};
use crate::dispatcher::RetryAdvice;
use crate::policy::RetryPolicy;
use crate::queue::{Attempt, AttemptHistory, Leased};

/// Attempts in a row that may be lost with their workers, whatever the policy: what a history keeps.
const MOST_LOST: usize = AttemptHistory::MAX - AttemptHistory::FIRST - 1;

/// What is to become of a message after an attempt to handle it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Every handler has handled it.
    Done,
    /// It is tried again after this time, by the handlers that have not succeeded.
    Retry {
        /// After how long.
        after: Duration,
        /// What went wrong, sanitised.
        error: String,
        /// Who has succeeded, now or before.
        succeeded: Vec<String>,
    },
    /// It has failed for good.
    Failed {
        /// What went wrong, sanitised.
        error: String,
        /// Whether trying again could not have helped; else the retries are used up.
        unrecoverable: bool,
        /// Who has succeeded, now or before.
        succeeded: Vec<String>,
    },
}

impl Judgement {
    /// Judges what an engine has answered for a message.
    ///
    /// - Success is success, and so is a message that an interceptor filters out or that every handler has handled
    ///   before.
    /// - A type that nobody handles, or a topic that is not valid, fails at once: another attempt finds the same.
    /// - If handlers fail, one that says that trying again will help is enough to try again, whatever the policy. If all
    ///   that fail say that it can never help, the message has failed. Else the policy decides: by the attempts of this
    ///   series, those that were lost with their worker included.
    /// - Outputs that could not be published are a failure of all handlers, since nobody else publishes them.
    #[must_use]
    pub fn of_result(
        result: &DispatchResult,
        leased: &Leased,
        policy: &RetryPolicy,
        rng: &mut impl Rng,
    ) -> Self {
        let text = || {
            let message = result.error_message().filter(|message| !message.is_empty());
            message.map_or_else(|| result.status().as_str().to_owned(), str::to_owned)
        };
        match result.status() {
            DispatchStatus::Success | DispatchStatus::Skipped => Self::Done,
            DispatchStatus::NoDispatcher => Self::Failed {
                error: format!("nobody handles '{}': {}", leased.message.message_type, text()),
                unrecoverable: true,
                succeeded: leased.succeeded.clone(),
            },
            DispatchStatus::InvalidMessage => Self::unrecoverable(text(), leased),
            DispatchStatus::PublishFailed => {
                Self::by_policy(text(), leased.succeeded.clone(), leased, policy, rng)
            }
            _ => Self::of_outcomes(result, leased, policy, rng),
        }
    }

    /// Judges a message that no attempt can help.
    #[must_use]
    pub fn unrecoverable(error: impl Into<String>, leased: &Leased) -> Self {
        Self::Failed { error: error.into(), unrecoverable: true, succeeded: leased.succeeded.clone() }
    }

    /// Judges a message that the engine has not taken, or that was lost before it was begun.
    #[must_use]
    pub fn of_refusal(
        error: impl Into<String>,
        leased: &Leased,
        policy: &RetryPolicy,
        rng: &mut impl Rng,
    ) -> Self {
        Self::by_policy(error.into(), leased.succeeded.clone(), leased, policy, rng)
    }

    /// Judges a message before it is begun: one whose last attempts were all lost with their workers, as many as it may be
    /// tried, is not begun again. It may be what they die of.
    #[must_use]
    pub fn before(leased: &Leased, policy: &RetryPolicy) -> Option<Self> {
        let lost = |attempt: &&Attempt| attempt.series == leased.series && attempt.error == Attempt::LOST;
        let lost = leased.history.as_slice().iter().rev().take_while(lost).count();
        // The history does not go back for ever.
        let most = usize::try_from(policy.max_retries).unwrap_or(usize::MAX).min(MOST_LOST);
        (lost > most).then(|| Self::Failed {
            error: format!("{}, {lost} times in a row", Attempt::LOST),
            unrecoverable: false,
            succeeded: leased.succeeded.clone(),
        })
    }

    fn of_outcomes(
        result: &DispatchResult,
        leased: &Leased,
        policy: &RetryPolicy,
        rng: &mut impl Rng,
    ) -> Self {
        let mut succeeded = leased.succeeded.clone();
        let (mut error, mut failed) = (String::new(), 0_usize);
        let (mut never, mut soonest) = (0_usize, None);
        for outcome in result.outcomes() {
            if outcome.status().is_successful() {
                let id = outcome.dispatcher_id().as_str();
                if !succeeded.iter().any(|known| known == id) {
                    succeeded.push(id.to_owned());
                }
                continue;
            }
            failed += 1;
            let separator = if error.is_empty() { "" } else { "; " };
            let text = outcome.error_message().unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(error, "{separator}{}: {text}", outcome.dispatcher_id());
            match outcome.advice() {
                RetryAdvice::Never => never += 1,
                RetryAdvice::Always(after) => soonest = Some(soonest.flatten().max(after)),
                RetryAdvice::ByPolicy => {}
            }
        }
        if error.is_empty() {
            // Nobody has said anything, such as on a thread that does not move.
            error = result.error_message().map_or_else(|| result.status().as_str().to_owned(), str::to_owned);
        }
        match soonest {
            Some(Some(after)) => Self::Retry { after, error, succeeded },
            Some(None) => {
                // The policy says when, but not whether.
                let last = policy.max_retries.saturating_sub(1);
                let after = policy.delay(leased.attempt.saturating_sub(1).min(last), rng);
                Self::Retry { after: after.unwrap_or(policy.base), error, succeeded }
            }
            None if failed > 0 && never == failed => Self::Failed { error, unrecoverable: true, succeeded },
            None => Self::by_policy(error, succeeded, leased, policy, rng),
        }
    }

    fn by_policy(
        error: String,
        succeeded: Vec<String>,
        leased: &Leased,
        policy: &RetryPolicy,
        rng: &mut impl Rng,
    ) -> Self {
        match policy.delay(leased.attempt.saturating_sub(1), rng) {
            Some(after) => Self::Retry { after, error, succeeded },
            None => Self::Failed { error, unrecoverable: false, succeeded },
        }
    }
}
