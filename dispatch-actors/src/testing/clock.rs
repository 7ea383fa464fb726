use std::time::SystemTime;

use dispatch_core::Clock;
use tokio::time::Instant;

/// Wall time that follows the runtime's clock, also when that is paused.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    start: SystemTime,
    origin: Instant,
}

impl VirtualClock {
    /// It is `start` now.
    #[must_use]
    pub fn starting_at(start: SystemTime) -> Self {
        Self { start, origin: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.start + self.origin.elapsed()
    }
}
