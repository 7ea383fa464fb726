use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// What the actor is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Put this into the batch.
    Add(Item),
    /// Send the batch, and answer when it has its results and so has everything before it.
    Flush(oneshot::Sender<()>),
    /// From now on what there is wants to leave as soon as nothing more waits in the mailbox.
    Hurry,
    /// Somebody was refused: make room by letting go of those whose callers have gone.
    Clear,
}

/// An envelope that waits for its result.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) envelope: Envelope,
    /// When its caller gives up, if it has not been sent by then.
    pub(super) until: Option<Instant>,
    pub(super) reply: oneshot::Sender<Result<Receipt, DeliveryError>>,
    pub(super) permit: OwnedSemaphorePermit,
}
