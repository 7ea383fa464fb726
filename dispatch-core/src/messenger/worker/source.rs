use std::time::Duration;

use crate::messenger::Rates;
use crate::policy::{KeyRates, RateCell};

/// How long the room for what a transport was asked for is kept free at least.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(300);
/// How long it is kept free at most, for a transport that has been slow before.
const LONGEST_PATIENCE: Duration = Duration::from_secs(5);

/// A claim under way.
#[derive(Debug, Clone, Copy)]
struct Asked {
    max: usize,
    at: Duration,
}

/// A transport, as a worker sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// Not asked before.
    pub(super) look_at: Duration,
    /// Claims in a row that failed.
    pub(super) failed: u32,
    /// It was woken while it was being asked.
    pub(super) woken: bool,
    /// Messages that were claimed and have not begun.
    pub(super) waiting: u64,
    pub(super) rates: Rates,
    asked: Option<Asked>,
    /// How long its last answer took.
    took: Duration,
    cell: RateCell,
    keys: KeyRates,
}

impl Source {
    /// How many more messages may be claimed, so that each of those that wait may begin now.
    pub(super) fn allowed(&self, now: Duration) -> usize {
        let Some(limit) = &self.rates.all else { return usize::MAX };
        let allowed = self.cell.available(limit, now).saturating_sub(self.waiting);
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// When one more may be claimed; `None` if not before one that waits has begun.
    pub(super) fn allowed_at(&self, now: Duration) -> Option<Duration> {
        let Some(limit) = &self.rates.all else { return Some(now) };
        self.cell.wait_for(limit, self.waiting + 1, now).map(|wait| now.saturating_add(wait))
    }

    /// It is asked for so many messages.
    pub(super) fn ask(&mut self, max: usize, now: Duration) {
        self.asked = Some(Asked { max, at: now });
        self.woken = false;
    }

    /// It has answered.
    pub(super) fn answered(&mut self, now: Duration) {
        self.took = self.asked.take().map_or(Duration::ZERO, |asked| now.saturating_sub(asked.at));
    }

    /// It could not be asked, and there is nothing to be patient for.
    pub(super) fn not_answered(&mut self) {
        self.asked = None;
        self.took = Duration::ZERO;
    }

    /// Whether a claim is under way.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Until when the room for what it was asked for is kept free.
    pub(super) fn patient_until(&self) -> Option<Duration> {
        let patience = self.took.saturating_mul(2).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
        self.asked.map(|asked| asked.at.saturating_add(patience))
    }

    /// How much room is kept free for what it was asked for.
    pub(super) fn reserved(&self, now: Duration) -> usize {
        let reserved = self.asked.filter(|_| self.patient_until().is_some_and(|until| now < until));
        reserved.map_or(0, |asked| asked.max)
    }

    /// One that waits begins.
    pub(super) fn begin(&mut self, key: Option<&str>, now: Duration) -> Result<(), Duration> {
        let mut cell = self.cell;
        if let Some(limit) = &self.rates.all {
            cell.pass(limit, now)?;
        }
        if let (Some(limit), Some(key)) = (&self.rates.per_key, key) {
            self.keys.pass(limit, key, now)?;
        }
        self.cell = cell;
        self.waiting = self.waiting.saturating_sub(1);
        Ok(())
    }

    /// Sets how fast messages may begin, from now on.
    pub(super) fn set_rates(&mut self, rates: Rates) {
        if rates.per_key != self.rates.per_key {
            self.keys = KeyRates::default();
        }
        if rates.all != self.rates.all {
            self.cell = RateCell::default();
        }
        self.rates = rates;
    }
}
