//! The time of an engine: one monotonic clock, read as seldom as possible, and wall time derived from it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_core::Clock;
use tokio::time::Instant;

/// Nanoseconds since the engine started, on the runtime's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Tick(u64);

impl Tick {
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn from_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// The clock of one shard. Tests pause it together with the runtime's.
pub(crate) struct ShardClock {
    origin: Instant,
    wall: Arc<dyn Clock>,
    /// Wall time at the origin, as last computed, and when that was.
    anchor: Cell<(SystemTime, Tick)>,
}

impl ShardClock {
    /// How long wall time may follow the monotonic clock alone before it is read again.
    const ANCHOR_AGE: Duration = Duration::from_secs(1);

    pub(crate) fn new(wall: Arc<dyn Clock>) -> Self {
        let anchor = Cell::new((wall.now(), Tick::default()));
        Self { origin: Instant::now(), wall, anchor }
    }

    pub(crate) fn now(&self) -> Tick {
        Tick(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Wall time at a tick.
    pub(crate) fn wall_at(&self, tick: Tick) -> SystemTime {
        let (mut start, anchored) = self.anchor.get();
        if tick.since(anchored) > Self::ANCHOR_AGE {
            let now = self.now();
            start = self.wall.now().checked_sub(now.from_start()).unwrap_or(start);
            self.anchor.set((start, now));
        }
        start + tick.from_start()
    }

    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.origin + tick.from_start()
    }
}
