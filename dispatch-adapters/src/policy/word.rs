use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A state machine that fits into a word and is shared by threads.
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

impl Word {
    pub(crate) const fn new(bits: u64) -> Self {
        Self(AtomicU64::new(bits))
    }

    pub(crate) fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Runs one step of the machine; the state before it, the state after it, and what the step answered.
    pub(crate) fn step<S: Copy, T>(
        &self,
        read: impl Fn(u64) -> S,
        write: impl Fn(S) -> u64,
        mut step: impl FnMut(&mut S) -> T,
    ) -> (S, S, T) {
        let mut bits = self.load();
        loop {
            let before = read(bits);
            let mut after = before;
            let answer = step(&mut after);
            let wanted = write(after);
            if wanted == bits {
                return (before, after, answer);
            }
            match self.0.compare_exchange_weak(bits, wanted, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return (before, after, answer),
                Err(now) => bits = now,
            }
        }
    }
}

/// The clock of a policy: time since it was made, on the runtime's clock, so that tests can turn it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks(Instant);

impl Ticks {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// That instant on this clock.
    pub(crate) fn at(self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.0)
    }
}
