//! What was accepted, what handlers have said, and whether it fits together with what is stored.

use std::collections::{BTreeSet, HashMap};

use dispatch_adapters::messenger::{Filter, MessageState, Messenger, Page, StoredMessage};
use uuid::Uuid;

use crate::worker::{Said, fails, was_lost};

#[derive(Default)]
pub(crate) struct Judge {
    accepted: Vec<(Uuid, u64)>,
    begun: HashMap<Uuid, usize>,
    ended: HashMap<Uuid, usize>,
    told: HashMap<Uuid, usize>,
    /// Failed messages whose worker was killed before it told of them.
    pub(crate) untold: usize,
    pub(crate) lost: usize,
    pub(crate) duplicates: usize,
}

impl Judge {
    pub(crate) fn accept(&mut self, id: Uuid, number: u64) {
        self.accepted.push((id, number));
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.len()
    }

    pub(crate) fn hear(&mut self, said: Said) {
        match said {
            Said::Ready => {}
            Said::Begun(id) => *self.begun.entry(id).or_default() += 1,
            Said::Ended(id) => *self.ended.entry(id).or_default() += 1,
            Said::Told(id) => *self.told.entry(id).or_default() += 1,
        }
    }

    /// Everything that does not fit together.
    pub(crate) async fn judge(&mut self, messenger: &Messenger) -> Vec<String> {
        let mut problems = self.dead_letters(messenger).await;
        for (id, number) in std::mem::take(&mut self.accepted) {
            match messenger.show(id).await.unwrap() {
                None => problems.push(format!("message {number} ({id}) was accepted, and is gone")),
                Some((_, stored)) => problems.extend(self.problem(number, &stored)),
            }
        }
        problems
    }

    /// Nothing is told that is not stored as failed, and what was not told is found there.
    async fn dead_letters(&mut self, messenger: &Messenger) -> Vec<String> {
        let wanted = self.accepted.iter().filter(|(_, number)| fails(*number)).map(|(id, _)| *id);
        let wanted: BTreeSet<_> = wanted.collect();
        let letters = messenger.failed("default", &Filter::all(), Page::first(usize::MAX)).await.unwrap();
        let found: BTreeSet<_> = letters.iter().map(|letter| letter.envelope.id()).collect();
        self.untold = found.iter().filter(|id| !self.told.contains_key(id)).count();
        let mut problems = Vec::new();
        if found != wanted {
            problems.push(format!("{} messages are listed as failed, {} have", found.len(), wanted.len()));
        }
        let early = self.told.keys().filter(|id| !found.contains(id));
        problems.extend(early.map(|id| format!("message {id} was told as failed, and is not")));
        problems
    }

    fn problem(&mut self, number: u64, stored: &StoredMessage) -> Option<String> {
        let id = stored.id;
        let (begun, ended) = (count(&self.begun, id), count(&self.ended, id));
        let lost = stored.history.as_slice().iter().filter(|attempt| was_lost(attempt)).count();
        self.lost += lost;
        self.duplicates += ended.saturating_sub(1);
        let wanted = if fails(number) { MessageState::Failed } else { MessageState::Done };
        // The attempt that has ended it, and those that were lost.
        let attempts = lost + 1;
        if stored.state != wanted {
            let (state, wanted) = (stored.state.as_str(), wanted.as_str());
            Some(format!("message {number} ({id}) is {state}, not {wanted}: {:?}", stored.history))
        } else if ended == 0 {
            Some(format!("message {number} ({id}) is {}, and nobody has handled it", stored.state.as_str()))
        } else if begun > attempts || ended > attempts {
            Some(format!(
                "message {number} ({id}) was begun {begun} times and ended {ended} times in {attempts} attempts"
            ))
        } else if stored.attempts as usize != attempts {
            Some(format!(
                "message {number} ({id}) counts {} attempts, there were {attempts}",
                stored.attempts
            ))
        } else {
            None
        }
    }
}

fn count(counts: &HashMap<Uuid, usize>, id: Uuid) -> usize {
    counts.get(&id).copied().unwrap_or_default()
}
