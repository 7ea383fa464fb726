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

    pub(crate) fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// The clock of one shard. Tests pause it together with the runtime's.
pub(crate) struct ShardClock {
    origin: Instant,
    wall: Arc<dyn Clock>,
    /// Wall time at the origin in nanoseconds since the Unix epoch, as last computed.
    start: Cell<u64>,
    /// When it was last computed.
    anchored: Cell<Tick>,
}

impl ShardClock {
    /// How long wall time may follow the monotonic clock alone before it is read again.
    const ANCHOR_AGE: Duration = Duration::from_secs(1);

    pub(crate) fn new(wall: Arc<dyn Clock>) -> Self {
        let start = Cell::new(unix_nanos(wall.now()));
        Self { origin: Instant::now(), wall, start, anchored: Cell::default() }
    }

    pub(crate) fn now(&self) -> Tick {
        let elapsed = self.origin.elapsed();
        Tick(elapsed.as_secs() * NANOS_PER_SECOND + u64::from(elapsed.subsec_nanos()))
    }

    /// Reads wall time again if that was long ago.
    pub(crate) fn keep_up(&self, now: Tick) {
        if now.since(self.anchored.get()) > Self::ANCHOR_AGE {
            self.start.set(unix_nanos(self.wall.now()).saturating_sub(now.0));
            self.anchored.set(now);
        }
    }

    /// Wall time at a tick, in nanoseconds since the Unix epoch.
    pub(crate) fn unix_nanos_at(&self, tick: Tick) -> u64 {
        self.start.get().saturating_add(tick.0)
    }

    /// Wall time at a tick, in milliseconds since the Unix epoch.
    pub(crate) fn unix_millis_at(&self, tick: Tick) -> u64 {
        self.unix_nanos_at(tick) / NANOS_PER_MILLISECOND
    }

    /// Wall time at a tick.
    pub(crate) fn wall_at(&self, tick: Tick) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.unix_nanos_at(tick))
    }

    pub(crate) fn instant(&self, tick: Tick) -> Instant {
        self.origin + tick.since_start()
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;

/// Good until the year 2554; times before 1970 count as 1970.
fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
