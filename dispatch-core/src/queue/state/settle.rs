//! How messages move between their states, with every index.

use std::time::SystemTime;

use uuid::Uuid;

use super::lanes::Move;
use super::{QueueState, holds};
use crate::queue::{ErrorGroup, MessageState, Outcome, QueueError, Settlement, StoredMessage};

impl QueueState {
    /// Says what became of a message.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`].
    pub fn settle(&mut self, settlement: Settlement, now: SystemTime) -> Result<(), QueueError> {
        let Settlement { token, outcome } = settlement;
        let id = token.id;
        if !self.messages.get(&id).is_some_and(|stored| holds(stored, &token)) {
            return Err(QueueError::LeaseLost { id });
        }
        match outcome {
            Outcome::Done => self.finish(id, MessageState::Done, now),
            Outcome::Retry { at, attempt, succeeded } => self.again(id, |stored| {
                stored.history.push(attempt);
                stored.succeeded = succeeded;
                stored.due_at = at;
            }),
            Outcome::Release { at } => self.again(id, |stored| {
                stored.attempts = stored.attempts.saturating_sub(1);
                stored.held_back = at.is_some();
                stored.due_at = at.unwrap_or(stored.due_at);
            }),
            Outcome::Failed { attempt, succeeded } => {
                if let Some(mut stored) = self.take(id) {
                    stored.error_group = Some(ErrorGroup::of(&attempt.error));
                    stored.history.push(attempt);
                    stored.succeeded = succeeded;
                    stored.settled_at = Some(now);
                    stored.lease = None;
                    stored.state = MessageState::Failed;
                    self.indexes.add(&stored);
                    self.messages.insert(id, stored);
                }
            }
        }
        Ok(())
    }

    /// A message is over; it is kept for a while, if the queue was made to.
    pub(super) fn finish(&mut self, id: Uuid, state: MessageState, now: SystemTime) {
        let Some(mut stored) = self.take(id) else { return };
        if !self.limits.keep_done.is_zero() {
            stored.state = state;
            stored.settled_at = Some(now);
            stored.held_back = false;
            stored.lease = None;
            self.indexes.kept.insert((now, id));
            self.indexes.add(&stored);
            self.messages.insert(id, stored);
        }
    }

    /// A message that was worked on is to be handled, or at least begun, once more.
    fn again(&mut self, id: Uuid, change: impl FnOnce(&mut StoredMessage)) {
        let Some(mut stored) = self.take(id) else { return };
        stored.lease = None;
        change(&mut stored);
        self.insert(stored);
    }

    /// Takes a message in that is to be handled: it gets ready, or waits behind others of its key.
    pub(super) fn insert(&mut self, mut stored: StoredMessage) {
        let id = stored.id;
        let due = (stored.due_at, id);
        let is_in_front = stored.is_in_front();
        let key = stored.message().and_then(|message| message.ordering_key.clone());
        stored.state =
            if key.is_some() && !is_in_front { MessageState::Waiting } else { MessageState::Ready };
        self.woken |= stored.state == MessageState::Ready;
        self.indexes.add(&stored);
        self.messages.insert(id, stored);
        if let Some(key) = key {
            self.lanes.join(&key, due);
            if is_in_front {
                // It has kept its place.
                self.lanes.begin(&key, due);
            }
            self.rebalance(&key);
        }
    }

    /// Moves a message that is in front of its lane, if it is in one, to another state.
    pub(super) fn put(
        &mut self,
        id: Uuid,
        state: MessageState,
        change: impl FnOnce(&mut StoredMessage),
    ) -> Option<&StoredMessage> {
        let stored = self.messages.get_mut(&id)?;
        self.indexes.remove(stored);
        change(stored);
        stored.state = state;
        self.woken |= state == MessageState::Ready;
        self.indexes.add(stored);
        if let Some(key) = stored.message().and_then(|message| message.ordering_key.as_deref()) {
            self.lanes.begin(key, (stored.due_at, id));
        }
        Some(stored)
    }

    /// Takes a message out; others of its key move up.
    pub(super) fn take(&mut self, id: Uuid) -> Option<StoredMessage> {
        let stored = self.messages.remove(&id)?;
        self.indexes.remove(&stored);
        if let Some(key) = stored
            .message()
            .and_then(|message| message.ordering_key.clone())
            .filter(|_| stored.state.is_open())
        {
            self.lanes.leave(&key, (stored.due_at, id));
            self.rebalance(&key);
        }
        Some(stored)
    }

    /// Removes a message and forgets its key.
    pub(super) fn remove(&mut self, id: Uuid) {
        let message = self.take(id);
        let message = message.as_ref().and_then(StoredMessage::message);
        if let Some(key) = message.and_then(|message| message.idempotency_key.as_ref()) {
            self.keys.forget(key, id);
        }
    }

    fn rebalance(&mut self, key: &str) {
        for moved in self.lanes.rebalance(key, self.limits.per_key) {
            let ((_, id), state) = match moved {
                Move::Forward(due) => (due, MessageState::Ready),
                Move::Back(due) => (due, MessageState::Waiting),
            };
            let Some(stored) = self.messages.get_mut(&id) else { continue };
            self.indexes.remove(stored);
            stored.state = state;
            self.woken |= state == MessageState::Ready;
            self.indexes.add(stored);
        }
    }
}
