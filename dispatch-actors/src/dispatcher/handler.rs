//! What every form of dispatcher becomes once it is registered.

use std::any::Any;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use dispatch_core::dispatch::Outcome;
use dispatch_core::{Context, DispatcherError, Envelope, Outputs, Sanitizer};

use crate::dispatcher::Link;
use crate::flight::Job;
use crate::guard::panic_text;
use crate::shard::Shard;

/// What a handler answers.
pub(crate) type Answer = Result<Outputs, Fault>;

/// Why there is no answer.
pub(crate) enum Fault {
    /// The handler's own error.
    Error(DispatcherError),
    /// It panicked with this text.
    Panicked(Box<str>),
    /// Too many of its calls are under way.
    Saturated,
    /// It died too often, or was never alive.
    Unavailable,
    /// It died, or the engine stopped, before it answered.
    Stopped,
}

impl Fault {
    /// What a panic left behind. The payload may be anything, and even panic when it is dropped.
    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        Self::Panicked(panic_text(panic).into())
    }

    /// The outcome, with a text that is fit to be shown.
    pub(crate) fn outcome(self, sanitizer: &Sanitizer, duration: Duration) -> Outcome {
        match self {
            Self::Panicked(_) => Outcome::panicked(self.text(sanitizer), duration),
            Self::Error(ref error) => {
                Outcome::error(self.text(sanitizer), duration).with_advice(error.advice())
            }
            _ => Outcome::error(self.text(sanitizer), duration),
        }
    }

    /// What went wrong, in a text that is fit to be shown.
    pub(crate) fn text(&self, sanitizer: &Sanitizer) -> String {
        match self {
            Self::Error(error) => sanitizer.sanitize(error.error_type(), error.message()),
            Self::Panicked(text) => sanitizer.sanitize("panicked", text),
            Self::Saturated => "dispatcher saturated".to_owned(),
            Self::Unavailable => "dispatcher unavailable".to_owned(),
            Self::Stopped => "dispatcher stopped before it answered".to_owned(),
        }
    }
}

/// A registered dispatcher, as its actor sees it.
pub(crate) trait Handler: 'static {
    type Future: Future<Output = Answer> + 'static;
    /// Whether it may answer at once, and is always ready.
    const MAY_ANSWER_AT_ONCE: bool = false;

    /// Whether it can take work; polled whenever its actor runs. While it is not ready, work waits.
    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Begins to handle an envelope.
    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future;

    /// How it is.
    fn condition(&self) -> Condition {
        Condition::Up
    }
}

/// Whether a dispatcher can be expected to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Up,
    /// Its actor died and is about to be started again.
    Restarting,
    /// It will not come back by itself.
    Down,
}

/// One call of a handler: knows the dispatch, but makes a [`Context`] only for handlers that want one.
pub(crate) struct Call<'a> {
    pub(crate) shard: &'a Shard,
    pub(crate) link: &'a Link,
    pub(crate) job: &'a Job,
}

impl Call<'_> {
    /// What the handler may know about the dispatch; `None` once it has been answered.
    pub(crate) fn context(&self, envelope: &Envelope) -> Option<Context> {
        let flight = self.job.flight()?;
        Some(Context::new(
            self.link.id.clone(),
            envelope.topic()?.clone(),
            &flight.identity,
            self.link.kind(),
            self.shard.clock.wall_at(flight.started),
        ))
    }
}
