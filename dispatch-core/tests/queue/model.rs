//! What a queue does, in the shortest words: a list, and a look at all of it for every question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::{Duplicates, IdempotencyKey, Name};
use dispatch_core::queue::{
    Claim, LeaseToken, MessageState, Outcome, QueueLimits, Settlement, Submission, WorkerId,
};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) queue: Name,
    pub(crate) priority: u8,
    pub(crate) due: SystemTime,
    expires: Option<SystemTime>,
    lane: Option<String>,
    key: Option<IdempotencyKey>,
    /// Open ones are ready if nothing keeps them back.
    pub(crate) state: MessageState,
    lease: Option<(WorkerId, SystemTime)>,
    pub(crate) attempts: u32,
    /// It was handed back until it is due.
    held_back: bool,
    pub(crate) claim: u64,
    pub(crate) series: u32,
    /// Attempts that came to nothing.
    pub(crate) failures: u32,
    settled: Option<SystemTime>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) limits: QueueLimits,
    pub(crate) messages: BTreeMap<Uuid, Message>,
    keys: BTreeMap<String, (Uuid, Option<SystemTime>)>,
    paused: BTreeSet<Name>,
    claims: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    InPlaceOf(Uuid),
    DuplicateOf(Uuid),
    Refused(Uuid),
    Full,
}

impl Model {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(crate) fn enqueue(&mut self, submission: &Submission, now: SystemTime) -> Stored {
        let message = &submission.message;
        if self.messages.contains_key(&message.id) {
            return Stored::Yes;
        }
        let key = message.idempotency_key.as_ref();
        let holder = key.and_then(|key| self.keys.get(key.as_str()));
        let holder = holder.filter(|(_, until)| until.is_none_or(|until| until > now)).map(|(id, _)| *id);
        let mut answer = Stored::Yes;
        if let Some(of) = holder {
            if of == message.id {
                return Stored::Yes;
            }
            let fresh = self.messages.get(&of).is_some_and(|it| {
                it.state == MessageState::Ready && it.lease.is_none() && it.claim == 0 && it.series == 0
            });
            match submission.remember.duplicates {
                Duplicates::Reject => return Stored::Refused(of),
                Duplicates::Replace if fresh => answer = Stored::InPlaceOf(of),
                _ => return Stored::DuplicateOf(of),
            }
        }
        if let Stored::InPlaceOf(of) = answer {
            self.messages.remove(&of);
        } else if self.messages.len() >= self.limits.max_messages {
            return Stored::Full;
        }
        if let Some(key) = key {
            self.keys.insert(key.as_str().to_owned(), (message.id, submission.remember.until));
        }
        self.messages.insert(
            message.id,
            Message {
                id: message.id,
                queue: message.queue.clone(),
                priority: message.priority.get(),
                due: message.available_at,
                expires: message.expires_at,
                lane: message.ordering_key.clone(),
                key: message.idempotency_key.clone(),
                state: MessageState::Ready,
                lease: None,
                attempts: 0,
                held_back: false,
                claim: 0,
                series: 0,
                failures: 0,
                settled: None,
            },
        );
        answer
    }

    /// Whether nothing of its key keeps a message back.
    pub(crate) fn is_in_front(&self, message: &Message) -> bool {
        let Some(lane) = &message.lane else { return true };
        let of_lane: Vec<_> = self
            .messages
            .values()
            .filter(|it| it.lane.as_ref() == Some(lane) && it.state.is_open())
            .collect();
        let keeps_place = |it: &Message| it.attempts > 0 || it.held_back;
        let begun = of_lane.iter().filter(|it| keeps_place(it)).count();
        let mut fresh: Vec<_> =
            of_lane.iter().filter(|it| !keeps_place(it)).map(|it| (it.due, it.id)).collect();
        fresh.sort_unstable();
        let room = self.limits.per_key.max(1).saturating_sub(begun);
        keeps_place(message) || fresh.iter().take(room).any(|(_, id)| *id == message.id)
    }

    /// The state as people see it.
    pub(crate) fn state(&self, message: &Message) -> MessageState {
        match message.state {
            MessageState::Ready if !self.is_in_front(message) => MessageState::Waiting,
            state => state,
        }
    }

    /// The claimed ids, how many had expired, and when the next is due.
    pub(crate) fn claim(&mut self, claim: &Claim, now: SystemTime) -> (Vec<Uuid>, usize, Option<SystemTime>) {
        for message in self.messages.values_mut() {
            if message.lease.as_ref().is_some_and(|(_, until)| *until <= now) {
                message.lease = None;
                message.state = MessageState::Ready;
                message.failures += 1;
            }
        }
        let (mut taken, mut expired) = (Vec::new(), 0);
        let wanted = |model: &Self, it: &Message| {
            it.state == MessageState::Ready
                && claim.queues.contains(&it.queue)
                && !model.paused.contains(&it.queue)
                && model.is_in_front(it)
        };
        while taken.len() < claim.max {
            let ready = self.messages.values().filter(|it| it.due <= now && wanted(self, it));
            let next = ready.min_by_key(|it| (u8::MAX - it.priority, it.due, it.id)).map(|it| it.id);
            let Some(next) = next else { break };
            let message = self.messages.get_mut(&next).unwrap();
            if message.attempts == 0 && message.series == 0 && message.expires.is_some_and(|at| at <= now) {
                expired += 1;
                self.finish(next, MessageState::Expired, now);
                continue;
            }
            message.attempts += 1;
            message.held_back = false;
            self.claims += 1;
            message.claim = self.claims;
            message.state = MessageState::Leased;
            message.lease = Some((claim.worker.clone(), now + claim.lease));
            taken.push(next);
        }
        let due = self.messages.values().filter(|it| wanted(self, it)).map(|it| it.due);
        let ends = self.messages.values().filter_map(|it| Some(it.lease.as_ref()?.1));
        let next_due = due.chain(ends).min().filter(|_| taken.len() < claim.max);
        (taken, expired, next_due)
    }

    fn holder(&mut self, token: &LeaseToken) -> Option<&mut Message> {
        let message = self.messages.get_mut(&token.id)?;
        let held = message.lease.as_ref().is_some_and(|(worker, _)| *worker == token.worker);
        (held && message.claim == token.claim).then_some(message)
    }

    pub(crate) fn extend(&mut self, token: &LeaseToken, lease: Duration, now: SystemTime) -> bool {
        let Some(message) = self.holder(token) else { return false };
        message.lease = Some((token.worker.clone(), now + lease));
        true
    }

    pub(crate) fn settle(&mut self, settlement: &Settlement, now: SystemTime) -> bool {
        let Some(message) = self.holder(&settlement.token) else { return false };
        match &settlement.outcome {
            Outcome::Done => {
                let id = message.id;
                self.finish(id, MessageState::Done, now);
                return true;
            }
            Outcome::Retry { at, .. } => {
                message.due = *at;
                message.failures += 1;
                message.state = MessageState::Ready;
            }
            Outcome::Failed { .. } => {
                message.failures += 1;
                message.settled = Some(now);
                message.state = MessageState::Failed;
            }
            Outcome::Release { at } => {
                message.attempts -= 1;
                message.held_back = at.is_some();
                message.due = at.unwrap_or(message.due);
                message.state = MessageState::Ready;
            }
        }
        message.lease = None;
        true
    }

    fn finish(&mut self, id: Uuid, state: MessageState, now: SystemTime) {
        if self.limits.keep_done.is_zero() {
            self.messages.remove(&id);
        } else if let Some(message) = self.messages.get_mut(&id) {
            message.lease = None;
            message.state = state;
            message.settled = Some(now);
        }
    }

    pub(crate) fn replay(&mut self, id: Uuid, at: SystemTime) -> bool {
        let Some(message) = self.messages.get_mut(&id).filter(|it| it.state == MessageState::Failed) else {
            return false;
        };
        message.state = MessageState::Ready;
        message.series += 1;
        message.attempts = 0;
        message.due = at;
        message.settled = None;
        true
    }

    pub(crate) fn cancel(&mut self, id: Uuid) -> u64 {
        if self.messages.get(&id).is_none_or(|it| it.state == MessageState::Leased) {
            return 0;
        }
        let message = self.messages.remove(&id).unwrap();
        if let Some(key) = message.key
            && self.keys.get(key.as_str()).is_some_and(|(holder, _)| *holder == id)
        {
            self.keys.remove(key.as_str());
        }
        1
    }

    pub(crate) fn set_paused(&mut self, queue: &Name, paused: bool) {
        if paused {
            self.paused.insert(queue.clone())
        } else {
            self.paused.remove(queue)
        };
    }

    pub(crate) fn sweep(&mut self, now: SystemTime) {
        self.keys.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        let keep = self.limits.keep_done;
        let over = |it: &Message| {
            matches!(it.state, MessageState::Done | MessageState::Expired)
                && it.settled.is_some_and(|settled| settled + keep <= now)
        };
        self.messages.retain(|_, it| !over(it));
    }
}
