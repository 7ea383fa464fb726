use std::ops::AddAssign;
use std::time::SystemTime;

/// How many messages a queue has, by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Depth {
    /// Due, and free to be claimed.
    pub ready: u64,
    /// Not due yet: scheduled, or waiting for another attempt.
    pub scheduled: u64,
    /// Behind another message of their ordering key.
    pub waiting: u64,
    /// Being worked on.
    pub leased: u64,
    /// Failed for good, until somebody replays or drops them.
    pub failed: u64,
    /// Done, or expired before they were begun, and kept for a while.
    pub done: u64,
    /// Since when the oldest of those that are ready has been due.
    pub oldest_ready: Option<SystemTime>,
}

impl Depth {
    /// How many are still to be handled.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.ready + self.scheduled + self.waiting + self.leased
    }
}

impl AddAssign for Depth {
    fn add_assign(&mut self, other: Self) {
        self.ready += other.ready;
        self.scheduled += other.scheduled;
        self.waiting += other.waiting;
        self.leased += other.leased;
        self.failed += other.failed;
        self.done += other.done;
        let both = self.oldest_ready.into_iter().chain(other.oldest_ready);
        self.oldest_ready = both.min();
    }
}
