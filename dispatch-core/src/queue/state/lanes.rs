use std::collections::{BTreeSet, HashMap};

use super::Due;

/// Messages by their ordering key.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<String, Lane>);

/// The messages of one ordering key that are not settled.
#[derive(Debug, Default)]
struct Lane {
    /// Ready or leased, and not begun: another one that is due earlier may take its place.
    fresh: BTreeSet<Due>,
    /// Begun, and not settled.
    begun: BTreeSet<Due>,
    waiting: BTreeSet<Due>,
}

/// What becomes of a message when the front of its lane changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// It is its turn.
    Forward(Due),
    /// Another one is due earlier.
    Back(Due),
}

impl Lanes {
    /// A message waits in its lane.
    pub(super) fn join(&mut self, key: &str, due: Due) {
        match self.0.get_mut(key) {
            Some(lane) => lane.waiting.insert(due),
            None => self.0.entry(key.to_owned()).or_default().waiting.insert(due),
        };
    }

    /// A message has begun, so it is in front until it is settled.
    pub(super) fn begin(&mut self, key: &str, due: Due) {
        if let Some(lane) = self.0.get_mut(key) {
            lane.waiting.remove(&due);
            lane.fresh.remove(&due);
            lane.begun.insert(due);
        }
    }

    /// A message leaves its lane, wherever it stands.
    pub(super) fn leave(&mut self, key: &str, due: Due) {
        if let Some(lane) = self.0.get_mut(key) {
            lane.fresh.remove(&due);
            lane.begun.remove(&due);
            lane.waiting.remove(&due);
            if lane.fresh.is_empty() && lane.begun.is_empty() && lane.waiting.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// What has to move so that the front of a lane is right; the caller moves it.
    pub(super) fn rebalance(&mut self, key: &str, per_key: usize) -> Vec<Move> {
        let mut moves = Vec::new();
        let Some(lane) = self.0.get_mut(key) else { return moves };
        // One that has begun has come back to its place, which another one was given meanwhile.
        while lane.fresh.len() + lane.begun.len() > per_key.max(1) {
            let Some(last) = lane.fresh.pop_last() else { break };
            lane.waiting.insert(last);
            moves.push(Move::Back(last));
        }
        while let Some(next) = lane.waiting.first().copied() {
            let has_room = lane.fresh.len() + lane.begun.len() < per_key.max(1);
            if !has_room {
                let Some(last) = lane.fresh.last().copied().filter(|last| next < *last) else { break };
                lane.fresh.remove(&last);
                lane.waiting.insert(last);
                moves.push(Move::Back(last));
            }
            lane.waiting.remove(&next);
            lane.fresh.insert(next);
            moves.push(Move::Forward(next));
        }
        moves
    }
}
