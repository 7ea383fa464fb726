use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// What bounds a batch and its mailbox: one permit for each envelope that has no result. Clones are the same room.
#[derive(Debug, Clone)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    capacity: usize,
    /// Whether the actor has been asked to let go of those whose callers have gone, and has not yet.
    clearing: Arc<AtomicBool>,
}

impl Room {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(capacity)), capacity, clearing: Arc::default() }
    }

    /// Envelopes that have no result.
    pub(super) fn pending(&self) -> usize {
        self.capacity - self.permits.available_permits()
    }

    pub(super) fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.permits).acquire_owned().await
    }

    /// Whether it is now on the caller to ask that it be cleared, since nobody else has.
    pub(super) fn begin_clearing(&self) -> bool {
        !self.clearing.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end_clearing(&self) {
        self.clearing.store(false, Ordering::Release);
    }
}
