//! What a worker has in hand.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use dispatch_core::queue::{LeaseToken, Leased};
use tokio::time::Instant;

/// A message in hand, and where it came from.
pub(super) struct Held {
    pub(super) source: usize,
    pub(super) leased: Leased,
    /// Somebody has begun with it.
    pub(super) begun: bool,
    /// When it was asked for.
    asked_at: Instant,
}

impl Held {
    /// The time by the clock of its queue, which may be another one than that of the worker.
    pub(super) fn now_by_queue(&self) -> SystemTime {
        self.leased.claimed_at + self.asked_at.elapsed()
    }
}

/// Messages that were claimed and are not settled.
#[derive(Default)]
pub(super) struct Hand {
    held: HashMap<LeaseToken, Held>,
    waiting: VecDeque<LeaseToken>,
    running: usize,
}

impl Hand {
    pub(super) fn take(&mut self, source: usize, leased: Leased, asked_at: Instant) {
        let token = leased.token.clone();
        self.waiting.push_back(token.clone());
        self.held.insert(token, Held { source, leased, begun: false, asked_at });
    }

    /// The next message that nobody has begun with. It does not wait any more, and is to be begun with or put down.
    pub(super) fn next(&mut self) -> Option<(LeaseToken, &Held)> {
        loop {
            let token = self.waiting.pop_front()?;
            // One whose lease was lost is not here any more.
            if self.held.contains_key(&token) {
                let held = self.held.get(&token)?;
                return Some((token, held));
            }
        }
    }

    /// Somebody begins with a message.
    pub(super) fn begin(&mut self, token: &LeaseToken) {
        if let Some(held) = self.held.get_mut(token).filter(|held| !held.begun) {
            held.begun = true;
            self.running += 1;
        }
    }

    /// Its lease runs on.
    pub(super) fn extended(&mut self, token: &LeaseToken, until: SystemTime) {
        if let Some(held) = self.held.get_mut(token) {
            held.leased.leased_until = until;
        }
    }

    /// A message in hand.
    pub(super) fn leased(&self, token: &LeaseToken) -> Option<&Leased> {
        self.held.get(token).map(|held| &held.leased)
    }

    /// A message is out of hand.
    pub(super) fn put_down(&mut self, token: &LeaseToken) -> Option<Held> {
        let held = self.held.remove(token)?;
        self.running -= usize::from(held.begun);
        Some(held)
    }

    /// Puts down everything that nobody has begun with.
    pub(super) fn put_down_waiting(&mut self) -> Vec<Held> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().filter_map(|token| self.put_down(token)).collect()
    }

    /// Puts down everything.
    pub(super) fn put_down_all(&mut self) -> Vec<Held> {
        self.waiting.clear();
        self.running = 0;
        self.held.drain().map(|(_, held)| held).collect()
    }

    /// What came from a transport.
    pub(super) fn of_source(&self, source: usize) -> Vec<LeaseToken> {
        let held = self.held.iter().filter(|(_, held)| held.source == source);
        held.map(|(token, _)| token.clone()).collect()
    }

    pub(super) const fn running(&self) -> usize {
        self.running
    }

    pub(super) fn waiting(&self) -> usize {
        self.held.len() - self.running
    }
}
