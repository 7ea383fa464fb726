use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use uuid::Uuid;

use crate::messenger::IdempotencyKey;

/// Which message has which key, and until when.
#[derive(Debug, Default)]
pub(super) struct Keys {
    held: HashMap<IdempotencyKey, (Uuid, Option<SystemTime>)>,
    ends: BTreeSet<(SystemTime, IdempotencyKey)>,
}

impl Keys {
    /// The message that has a key.
    pub(super) fn holder(&self, key: &IdempotencyKey, now: SystemTime) -> Option<Uuid> {
        let (id, until) = self.held.get(key)?;
        until.is_none_or(|until| until > now).then_some(*id)
    }

    /// A message has a key from now on.
    pub(super) fn remember(&mut self, key: IdempotencyKey, id: Uuid, until: Option<SystemTime>) {
        self.ends.extend(until.map(|until| (until, key.clone())));
        if let Some((_, Some(before))) = self.held.insert(key.clone(), (id, until))
            && Some(before) != until
        {
            self.ends.remove(&(before, key));
        }
    }

    /// A message does not need its key any more.
    pub(super) fn forget(&mut self, key: &IdempotencyKey, id: Uuid) {
        if self.held.get(key).is_some_and(|(holder, _)| *holder == id)
            && let Some((_, Some(until))) = self.held.remove(key)
        {
            self.ends.remove(&(until, key.clone()));
        }
    }

    /// Forgets keys whose time is over.
    pub(super) fn sweep(&mut self, now: SystemTime) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.ends.pop_first() {
                self.held.remove(&key);
            }
        }
    }
}
