use std::sync::Arc;

use dispatch_core::delivery::{DeadLetter, Progress};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What the actor of a target is told.
pub(super) enum Command {
    /// Deliver this.
    Put(Kept),
    /// Try until then, and hand back what is left. Told more than once, the earliest counts.
    Close { until: Instant },
}

/// What a target has not taken when it is closed.
pub(super) type Left = Vec<Arc<DeadLetter>>;

/// A dead letter that its target has not taken yet.
pub(super) struct Kept {
    pub(super) letter: Arc<DeadLetter>,
    /// Tries that failed.
    pub(super) tries: u32,
    /// What of it the target has taken.
    pub(super) progress: Arc<Progress>,
    _permit: OwnedSemaphorePermit,
}

impl Kept {
    pub(super) fn new(letter: Arc<DeadLetter>, permit: OwnedSemaphorePermit) -> Self {
        Self { letter, tries: 0, progress: Arc::default(), _permit: permit }
    }
}

/// What was left when dead letters were closed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeadLettersReport {
    /// The name of each target that has not taken all of its letters, and those that it has not.
    pub left: Vec<(String, Vec<DeadLetter>)>,
    /// The names of targets that ended before they were closed, with their runtime or in a panic, so that nobody knows what
    /// was left of theirs.
    pub unknown: Vec<String>,
}

impl DeadLettersReport {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.left.is_empty() && self.unknown.is_empty()
    }

    /// Adds what was left of others.
    pub(crate) fn extend(&mut self, other: Self) {
        self.left.extend(other.left);
        self.unknown.extend(other.unknown);
    }
}
