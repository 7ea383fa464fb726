use std::time::SystemTime;

use uuid::Uuid;

use crate::messenger::{Duplicates, QueuedMessage};

/// A message on its way into a queue.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Submission {
    /// The message.
    pub message: QueuedMessage,
    /// How long its idempotency key is remembered, and what happens to another of the same key; without effect if it
    /// has none.
    pub remember: Remember,
}

/// How an idempotency key is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remember {
    /// Until then, whatever becomes of the message; forever if absent.
    pub until: Option<SystemTime>,
    /// What happens if the key is remembered already.
    pub duplicates: Duplicates,
}

impl Submission {
    /// A message whose key, if it has one, is remembered for good.
    #[must_use]
    pub const fn new(message: QueuedMessage) -> Self {
        Self { message, remember: Remember { until: None, duplicates: Duplicates::ReturnExisting } }
    }

    /// Sets how its key is remembered.
    #[must_use]
    pub const fn remembered(mut self, remember: Remember) -> Self {
        self.remember = remember;
        self
    }
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// The id under which the message is known: its own, or that of the one it is a duplicate of.
    pub id: Uuid,
    /// The message that was there already, so that this one was not stored.
    pub duplicate_of: Option<Uuid>,
    /// The message that it took the place of.
    pub replaced: Option<Uuid>,
}

impl Enqueued {
    /// A message that was stored.
    #[must_use]
    pub const fn stored(id: Uuid) -> Self {
        Self { id, duplicate_of: None, replaced: None }
    }

    /// A message that was not stored, since another has its key.
    #[must_use]
    pub const fn duplicate_of(id: Uuid) -> Self {
        Self { id, duplicate_of: Some(id), replaced: None }
    }

    /// A message that was stored in place of another.
    #[must_use]
    pub const fn in_place_of(self, replaced: Uuid) -> Self {
        Self { replaced: Some(replaced), ..self }
    }
}
