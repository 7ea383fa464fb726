use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls wait, and how many may.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    waiting: AtomicUsize,
    seats: usize,
}

impl WaitingRoom {
    pub(crate) const fn new(seats: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), seats }
    }

    pub(crate) const fn seats(&self) -> usize {
        self.seats
    }

    /// A seat, given back when it is dropped; `None` if all are taken.
    pub(crate) fn enter(&self) -> Option<Seat<'_>> {
        self.enter_together(1)
    }

    /// Seats for several who come together; `None` if there are not enough for all of them.
    pub(crate) fn enter_together(&self, count: usize) -> Option<Seat<'_>> {
        let enter = |waiting: usize| waiting.checked_add(count).filter(|waiting| *waiting <= self.seats);
        self.waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .is_ok()
            .then(|| Seat(self, count))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

pub(crate) struct Seat<'a>(&'a WaitingRoom, usize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(self.1, Ordering::AcqRel);
    }
}
