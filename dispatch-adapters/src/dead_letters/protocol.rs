use std::sync::Arc;

use dispatch_core::delivery::DeadLetter;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// What the actor of a target is told.
pub(super) enum Command {
    /// Deliver this.
    Put(Kept),
    /// Try until then, and hand back what is left.
    Close { until: Instant, reply: oneshot::Sender<Vec<DeadLetter>> },
}

/// A dead letter that its target has not taken yet.
pub(super) struct Kept {
    pub(super) letter: Arc<DeadLetter>,
    /// Tries that failed.
    pub(super) tries: u32,
    _permit: OwnedSemaphorePermit,
}

impl Kept {
    pub(super) fn new(letter: Arc<DeadLetter>, permit: OwnedSemaphorePermit) -> Self {
        Self { letter, tries: 0, _permit: permit }
    }
}
