//! What a queue does: plain steps on plain data, each at a time that is given.
//!
//! - A message is in one state, and in the index of that state: `shelf` for ready ones, `leases` for leased ones,
//!   the lane of its ordering key for those that wait, `kept` for those that are done or expired.
//! - Of a lane at most `per_key` messages are in front, that is ready or leased; one that has begun stays in front
//!   until it is settled, and so does one that was handed back until a time. No message waits while there is room in front, and none waits that is due before one in
//!   front that has not begun.
//! - No two claims have one number, so a token never becomes valid again, even if a message of the same id is
//!   stored once more.
//! - A remembered key outlives its message; a cancelled message takes its key with it.

mod indexes;
mod keys;
mod lanes;
mod settle;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Attempt, Claim, Claimed, Depth, Enqueued, Filter, Lease, LeaseToken, Leased, MessageState, Page,
    QueueError, StoredMessage, Submission,
};
use crate::messenger::{Duplicates, Name};
use indexes::Indexes;
use keys::Keys;
use lanes::Lanes;
use shelf::Shelf;

/// When a message is due, and which one: the order in which messages of one priority are taken.
type Due = (SystemTime, Uuid);

/// How many expired messages a claim gives up at most: it does not take for ever, whatever has piled up.
const MOST_EXPIRED: usize = 1_000;

/// What a queue was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most messages of one ordering key that have begun and are not settled; at least one. While workers handle more at a
    /// time, no key keeps others waiting, however many messages it has.
    pub per_key: usize,
    /// How long messages are kept that are done or have expired; with zero they are not kept.
    pub keep_done: Duration,
    /// Most messages, whatever their state.
    pub max_messages: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { per_key: 1, keep_done: Duration::ZERO, max_messages: 10_000_000 }
    }
}

/// The messages of a queue, and what may be done with them.
#[derive(Debug, Default)]
pub struct QueueState {
    limits: QueueLimits,
    messages: BTreeMap<Uuid, StoredMessage>,
    indexes: Indexes,
    lanes: Lanes,
    keys: Keys,
    /// Claims of messages there ever were.
    claims: u64,
    /// Whether something became ready since somebody asked.
    woken: bool,
}

impl QueueState {
    /// A queue without messages.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether something became ready since this was asked last.
    pub fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    /// Stores a message, unless another has its key.
    ///
    /// # Errors
    /// [`QueueError::Duplicate`], [`QueueError::Full`].
    pub fn enqueue(&mut self, submission: Submission, now: SystemTime) -> Result<Enqueued, QueueError> {
        let Submission { message, remember } = submission;
        let id = message.id;
        if self.messages.contains_key(&id) {
            return Ok(Enqueued::stored(id));
        }
        let key = message.idempotency_key.clone();
        let holder = key.as_ref().and_then(|key| self.keys.holder(key, now));
        let mut replaced = None;
        match holder {
            None => {}
            // Whoever asks again had no answer.
            Some(holder) if holder == id => return Ok(Enqueued::stored(id)),
            Some(of) => match remember.duplicates {
                Duplicates::Reject => return Err(QueueError::Duplicate { of }),
                Duplicates::Replace if self.is_replaceable(of) => replaced = Some(of),
                Duplicates::ReturnExisting | Duplicates::Replace => return Ok(Enqueued::duplicate_of(of)),
            },
        }
        if replaced.is_none() && self.messages.len() >= self.limits.max_messages {
            let what = format!("it holds {} messages", self.limits.max_messages);
            return Err(QueueError::Full { what });
        }
        if let Some(replaced) = replaced {
            self.remove(replaced);
        }
        if let Some(key) = key {
            self.keys.remember(key, id, remember.until);
        }
        self.insert(StoredMessage::new(Arc::new(message), MessageState::Waiting));
        let stored = Enqueued::stored(id);
        Ok(replaced.map_or(stored, |replaced| stored.in_place_of(replaced)))
    }

    /// Takes messages to work on, and gives up what has expired. `seen` is the caller's to fill in.
    pub fn claim(&mut self, claim: &Claim, now: SystemTime) -> Claimed {
        self.end_leases(now);
        let mut claimed = Claimed::default();
        let queues: BTreeSet<&Name> = claim.queues.iter().collect();
        while claimed.messages.len() < claim.max && claimed.expired < MOST_EXPIRED {
            let Some(id) = self.indexes.next(queues.iter().copied(), now) else { break };
            if self.messages.get(&id).is_some_and(|stored| stored.has_expired(now)) {
                claimed.expired += 1;
                self.finish(id, MessageState::Expired, now);
            } else {
                claimed.messages.extend(self.lease(id, claim, now));
            }
        }
        if claimed.messages.len() < claim.max {
            claimed.next_due = self.indexes.next_due(queues);
        }
        claimed
    }

    /// Lets a lease run for this much longer from now; until when.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`].
    pub fn extend(
        &mut self,
        token: &LeaseToken,
        lease: Duration,
        now: SystemTime,
    ) -> Result<SystemTime, QueueError> {
        let lost = QueueError::LeaseLost { id: token.id };
        let held = self.messages.get_mut(&token.id).filter(|stored| holds(stored, token));
        let Some(held) = held.and_then(|stored| stored.lease.as_mut()) else { return Err(lost) };
        self.indexes.leases.remove(&(held.until, token.id));
        held.until = after(now, lease);
        self.indexes.leases.insert((held.until, token.id));
        Ok(held.until)
    }

    /// How many messages there are, in one queue or in all.
    #[must_use]
    pub fn depth(&self, queue: Option<&Name>, now: SystemTime) -> Depth {
        let mut depth = Depth::default();
        let shelves =
            self.indexes.shelves.iter().filter(|(name, _)| queue.is_none_or(|queue| queue == *name));
        shelves.for_each(|(_, shelf)| depth += shelf.depth(now));
        depth
    }

    /// Every queue that ever had a message, sorted, and whether it is paused.
    pub fn queues(&self) -> impl Iterator<Item = (&Name, bool)> {
        self.indexes.shelves.iter().map(|(name, shelf)| (name, shelf.is_paused))
    }

    /// Pauses a queue or lets it go on.
    pub fn set_paused(&mut self, queue: &Name, paused: bool) {
        self.indexes.shelves.entry(queue.clone()).or_default().is_paused = paused;
        self.woken |= !paused;
    }

    /// One message.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<&StoredMessage> {
        self.messages.get(&id)
    }

    /// Messages in the order of their ids.
    pub fn list(&self, filter: &Filter, page: Page) -> impl Iterator<Item = &StoredMessage> {
        use std::ops::Bound::{Excluded, Unbounded};

        let from = page.after.map_or(Unbounded, Excluded);
        let messages = self.messages.range((from, Unbounded)).map(|(_, stored)| stored);
        messages.filter(move |stored| filter.matches(stored)).take(page.max)
    }

    /// Makes a failed message ready again; `false` if it is not there or has not failed.
    pub fn replay(
        &mut self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
        now: SystemTime,
    ) -> bool {
        let failed = self.messages.get(&id).is_some_and(|stored| stored.state == MessageState::Failed);
        let Some(mut stored) = failed.then(|| self.take(id)).flatten() else { return false };
        stored.replay(payload, at.unwrap_or(now));
        self.insert(stored);
        true
    }

    /// Removes messages that nobody works on, and forgets their keys; how many there were.
    pub fn cancel(&mut self, ids: impl IntoIterator<Item = Uuid>) -> u64 {
        let mut count = 0;
        for id in ids {
            let free = self.messages.get(&id).is_some_and(|stored| stored.state != MessageState::Leased);
            if free {
                self.remove(id);
                count += 1;
            }
        }
        count
    }

    /// Removes what is meant and nobody works on; how many there were.
    pub fn purge(&mut self, filter: &Filter) -> u64 {
        let meant = self.messages.values().filter(|stored| filter.matches(stored)).map(|stored| stored.id);
        let meant: Vec<_> = meant.collect();
        self.cancel(meant)
    }

    /// Forgets keys whose time is over, and messages that were kept for long enough.
    pub fn sweep(&mut self, now: SystemTime) {
        self.keys.sweep(now);
        while let Some((settled_at, id)) = self.indexes.kept.first().copied() {
            if after(settled_at, self.limits.keep_done) > now {
                break;
            }
            self.take(id);
        }
    }

    /// Whether a message may be replaced: nobody has ever begun with it.
    fn is_replaceable(&self, id: Uuid) -> bool {
        let waits = |state| matches!(state, MessageState::Ready | MessageState::Waiting);
        self.messages
            .get(&id)
            .is_some_and(|stored| waits(stored.state) && stored.claim == 0 && stored.series == 0)
    }

    fn lease(&mut self, id: Uuid, claim: &Claim, now: SystemTime) -> Option<Leased> {
        self.claims += 1;
        let (number, until) = (self.claims, after(now, claim.lease));
        let stored = self.put(id, MessageState::Leased, |stored| {
            stored.attempts += 1;
            stored.claim = number;
            stored.held_back = false;
            stored.lease = Some(Lease { worker: claim.worker.clone(), since: now, until });
        })?;
        Some(Leased {
            token: LeaseToken { id, worker: claim.worker.clone(), claim: number },
            message: Arc::clone(stored.message()?),
            series: stored.series,
            attempt: stored.attempts,
            history: stored.history.clone(),
            succeeded: stored.succeeded.clone(),
            due_at: stored.due_at,
            claimed_at: now,
            leased_until: until,
        })
    }

    /// Makes messages ready again whose leases ran out.
    fn end_leases(&mut self, now: SystemTime) {
        while let Some((_, id)) = self.indexes.leases.first().copied().filter(|(until, _)| *until <= now) {
            self.put(id, MessageState::Ready, StoredMessage::lose_lease);
        }
    }
}

impl StoredMessage {
    /// The attempt is over without a word of its worker: that goes into the history.
    pub fn lose_lease(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        self.history.push(Attempt {
            series: self.series,
            number: self.attempts,
            worker: lease.worker,
            started_at: lease.since,
            waited: lease.since.duration_since(self.due_at).unwrap_or_default(),
            ran: None,
            error: Attempt::LOST.to_owned(),
            unrecoverable: false,
        });
    }

    /// Begins with a new series of attempts.
    fn replay(&mut self, payload: Option<Map<String, Value>>, at: SystemTime) {
        if let (Some(payload), super::StoredBody::Message(message)) = (payload, &mut self.body) {
            Arc::make_mut(message).payload = payload;
            // They have seen another payload.
            self.succeeded.clear();
        }
        self.series += 1;
        self.attempts = 0;
        self.due_at = at;
        self.settled_at = None;
        self.error_group = None;
    }
}

/// Whether a token is that of the newest claim, which nobody has settled.
fn holds(stored: &StoredMessage, token: &LeaseToken) -> bool {
    let lease = stored.lease.as_ref().filter(|_| stored.state == MessageState::Leased);
    stored.claim == token.claim && lease.is_some_and(|lease| lease.worker == token.worker)
}

/// A time that much later; one that no clock can show is never.
fn after(time: SystemTime, duration: Duration) -> SystemTime {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
    time.checked_add(duration).or_else(|| time.checked_add(FAR)).unwrap_or(time)
}
