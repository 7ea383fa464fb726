use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::Clock;
use tokio::time::Instant;

/// Longer than any process runs, and no more than an instant can hold: 30 years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The time of a bus: the runtime's monotonic clock since the bus started, and wall time beside it.
#[derive(Clone)]
pub(in crate::bus) struct BusClock {
    origin: Instant,
    wall: Arc<dyn Clock>,
}

impl BusClock {
    pub(in crate::bus) fn new(wall: Arc<dyn Clock>) -> Self {
        Self { origin: Instant::now(), wall }
    }

    pub(in crate::bus) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(in crate::bus) fn wall(&self) -> SystemTime {
        self.wall.now()
    }

    /// The instant of a time; one that is too far off for the runtime never comes.
    pub(in crate::bus) fn instant(&self, at: Duration) -> Instant {
        self.origin + at.min(NEVER)
    }

    /// When a time of the wall clock will be; it is read once, so a clock that is set back delays nothing twice.
    pub(in crate::bus) fn at(&self, time: SystemTime, now: Duration) -> Duration {
        now.saturating_add(time.duration_since(self.wall()).unwrap_or_default())
    }

    /// Wall time at a time of the monotonic clock.
    pub(in crate::bus) fn wall_at(&self, at: Duration) -> SystemTime {
        let ago = self.now().saturating_sub(at);
        let wall = self.wall();
        wall.checked_sub(ago).unwrap_or(wall)
    }
}
