//! How many dispatches an engine has accepted and not yet answered.
//!
//! Actix mailboxes take everything; this counter is what pushes back.
//!
//! - Never more than `max` permits are out.
//! - A permit is given back exactly once: when its dispatch is settled, whatever became of the caller, or when it is
//!   dropped before its envelope was handed over.
//! - Who waits is served before who comes later; nobody waits while a permit is free.

use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use tokio::sync::{Notify, Semaphore};

pub(crate) struct Admission {
    max: AtomicUsize,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    overloaded: AtomicU64,
    /// Held by the one that is next to get a permit.
    turn: Semaphore,
    freed: Notify,
    /// Whether somebody waits for the last permit to come back.
    draining: AtomicBool,
    idle: Notify,
}

impl Admission {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            overloaded: AtomicU64::new(0),
            turn: Semaphore::new(1),
            freed: Notify::new(),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
        }
    }

    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, SeqCst);
        self.freed.notify_one();
    }

    pub(crate) fn max(&self) -> usize {
        self.max.load(SeqCst)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// Takes up to `wanted` permits without waiting, behind those who wait already; 0 if there are none.
    pub(crate) fn try_acquire(&self, wanted: usize) -> usize {
        if self.waiting.load(SeqCst) > 0 { 0 } else { self.take(wanted) }
    }

    /// Takes a permit without waiting, behind those who wait already.
    pub(crate) fn try_permit(&self) -> Option<Permits<'_>> {
        (self.try_acquire(1) == 1).then(|| Permits::of(self, 1))
    }

    /// Counts an envelope that was not taken.
    pub(crate) fn refuse(&self) {
        self.overloaded.fetch_add(1, Relaxed);
    }

    /// Envelopes that were not taken since the counter was last set to zero.
    pub(crate) fn overloaded(&self) -> u64 {
        self.overloaded.load(Relaxed)
    }

    pub(crate) fn reset_overloaded(&self) {
        self.overloaded.store(0, Relaxed);
    }

    /// Waits for at least one permit and takes up to `wanted`; 0 once `closed` says that there is nothing to
    /// wait for.
    pub(crate) async fn acquire(&self, wanted: usize, closed: impl Fn() -> bool) -> usize {
        let taken = self.try_acquire(wanted);
        if taken > 0 {
            return taken;
        }
        let _waiting = Waiting::begin(self);
        // A fair queue: only its head looks for permits, so nobody is overtaken.
        let _turn = self.turn.acquire().await;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the last look, so that a permit given back in between is not missed.
            freed.as_mut().enable();
            if closed() {
                return 0;
            }
            let taken = self.take(wanted);
            if taken > 0 {
                return taken;
            }
            freed.await;
        }
    }

    fn take(&self, wanted: usize) -> usize {
        let max = self.max.load(SeqCst);
        let mut taken = 0;
        // The closure never refuses for good, so the result says nothing that `taken` does not.
        let _ = self.in_flight.fetch_update(SeqCst, SeqCst, |current| {
            taken = wanted.min(max.saturating_sub(current));
            (taken > 0).then(|| current + taken)
        });
        taken
    }

    /// Takes a permit if one is free, even before those who wait: for work that the engine itself leads to.
    pub(crate) fn try_acquire_inner(&self) -> bool {
        self.take(1) == 1
    }

    /// Gives permits back.
    pub(crate) fn release(&self, permits: usize) {
        if permits == 0 {
            return;
        }
        let before = self.in_flight.fetch_sub(permits, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
        if before == permits && self.draining.load(SeqCst) {
            self.idle.notify_waiters();
        }
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn idle(&self) {
        self.draining.store(true, SeqCst);
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Wakes everyone who waits, so that they see that the engine has stopped.
    pub(crate) fn wake_all(&self) {
        // The head sees it and makes room for the next, which sees it too.
        self.freed.notify_one();
    }
}

/// Permits that were taken and not used yet: whatever happens before they are, they are given back.
#[must_use = "permits that are dropped are given back"]
pub(crate) struct Permits<'a> {
    admission: &'a Admission,
    count: usize,
}

impl<'a> Permits<'a> {
    pub(crate) const fn of(admission: &'a Admission, count: usize) -> Self {
        Self { admission, count }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// They go with their envelopes, and are given back when these are answered.
    pub(crate) fn hand_over(mut self) {
        self.count = 0;
    }
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        self.admission.release(self.count);
    }
}

struct Waiting<'a>(&'a Admission);

impl<'a> Waiting<'a> {
    fn begin(admission: &'a Admission) -> Self {
        admission.waiting.fetch_add(1, SeqCst);
        Self(admission)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}
