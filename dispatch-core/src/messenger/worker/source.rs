use std::time::Duration;

use crate::messenger::Rates;
use crate::policy::{KeyRates, RateCell};

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
