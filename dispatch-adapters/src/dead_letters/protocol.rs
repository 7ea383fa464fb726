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
