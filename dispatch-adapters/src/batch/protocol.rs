use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What the actor is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Put this into the batch.
    Add(Item),
    /// Send the batch, and answer when it has its results and so has everything before it.
    Flush(oneshot::Sender<()>),
    /// From now on send what there is as soon as nothing more waits in the mailbox.
    Drain,
}

/// Whether what comes later may overtake an envelope that is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// No: batches wait as long as it does.
    Kept,
    /// Yes.
    Free,
}

/// An envelope that waits for its result.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) order: Order,
    pub(super) reply: oneshot::Sender<Result<Receipt, DeliveryError>>,
    pub(super) _permit: OwnedSemaphorePermit,
}
