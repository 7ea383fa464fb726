use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::time::Clock;

/// A clock that stands still until it is told that time has passed: for queues that take their time from a [`Clock`].
#[derive(Debug, Clone, Default)]
pub struct SuiteClock(Arc<AtomicU64>);

impl SuiteClock {
    /// A clock that stands at a time in 2030.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass, in whole milliseconds.
    pub fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl SuiteClock {
    /// Sets the clock back, in whole milliseconds.
    pub fn go_back(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // The first time there is stays the first.
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(millis)));
    }
}

impl Clock for SuiteClock {
    fn now(&self) -> SystemTime {
        const START: Duration = Duration::from_secs(1_893_456_000);
        SystemTime::UNIX_EPOCH + START + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}
