//! How much a dispatcher does before it looks at the clock, and before it lets the others go on.
//!
//! - A run is cut short when the last one was slow, and grows again when it was quick.
//! - A turn ends when it has taken longer than its budget, as seen at the last look at the clock.

use std::time::Duration;

use crate::clock::Tick;

/// Longest run of handlers between two looks at the clock.
const LONGEST_RUN: usize = 64;
/// A run of so few handlers is not cut.
const SHORT_RUN: usize = 4;
/// A dispatcher that has used up so much of its thread's time lets the others go on.
const BUDGET: Duration = Duration::from_millis(1);
/// A run that takes longer is cut.
const SLOW_RUN: Duration = Duration::from_micros(50);

/// Whether what began then has used up its turn by now.
pub(crate) fn is_over_budget(began: Tick, now: Tick) -> bool {
    now.since(began) > BUDGET
}

pub(super) struct Pace {
    run: usize,
    /// When the clock was first read in this turn.
    turn_began: Option<Tick>,
    exhausted: bool,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { run: LONGEST_RUN, turn_began: None, exhausted: false }
    }

    /// A turn begins; when, is not known before the first look at the clock.
    pub(super) const fn begin_turn(&mut self) {
        (self.turn_began, self.exhausted) = (None, false);
    }

    /// The clock was read.
    #[inline]
    pub(super) fn looked(&mut self, now: Tick) {
        let began = *self.turn_began.get_or_insert(now);
        self.exhausted = is_over_budget(began, now);
    }

    /// Whether this turn has used up its budget.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// How many handlers to start before the next look at the clock.
    pub(super) const fn run(&self) -> usize {
        self.run
    }

    /// Whether so many handlers need no look at the clock before them, because they are not cut.
    pub(super) const fn is_short(handlers: usize) -> bool {
        handlers <= SHORT_RUN
    }

    /// A run took so long.
    pub(super) fn ran(&mut self, took: Duration) {
        let slow = took > SLOW_RUN;
        self.run = if slow { (self.run / 2).max(1) } else { (self.run * 2).min(LONGEST_RUN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_run_is_halved_and_a_quick_one_doubled() {
        let mut pace = Pace::new();
        let mut runs = |took, times| {
            (0..times).map(|_| pace.ran(took)).for_each(drop);
            pace.run()
        };
        assert_eq!(runs(SLOW_RUN, 1), LONGEST_RUN);
        assert_eq!(runs(2 * SLOW_RUN, 2), LONGEST_RUN / 4);
        assert_eq!(runs(2 * SLOW_RUN, 20), 1);
        assert_eq!(runs(SLOW_RUN, 2), 4);
        assert_eq!(runs(SLOW_RUN, 20), LONGEST_RUN);
    }

    #[test]
    fn a_turn_is_over_when_it_took_longer_than_its_budget() {
        let at = |after| Tick::default().after(after);
        let mut pace = Pace::new();
        pace.begin_turn();
        pace.looked(at(BUDGET));
        assert!(!pace.is_exhausted(), "it has only begun");
        pace.looked(at(2 * BUDGET));
        assert!(!pace.is_exhausted());
        pace.looked(at(3 * BUDGET));
        assert!(pace.is_exhausted());
        pace.begin_turn();
        assert!(!pace.is_exhausted());
    }
}
