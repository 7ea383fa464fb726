use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The clock as one call reads it: once for everything that happens without waiting.
///
/// - A reading holds until [`forget`](Self::forget); whoever waits for something forgets afterwards.
/// - It is shared by the policies of one call, which never run at the same time, so the order of memory does not
///   matter.
#[derive(Debug)]
pub(crate) struct Moment {
    origin: Instant,
    /// Nanoseconds since the origin.
    reading: AtomicU64,
}

impl Moment {
    const NONE: u64 = u64::MAX;

    /// The time now, which is the first reading.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), reading: AtomicU64::new(0) }
    }

    /// When it was made.
    pub(crate) const fn origin(&self) -> Instant {
        self.origin
    }

    /// The reading, a new one if there is none.
    pub(crate) fn now(&self) -> Instant {
        match self.reading.load(Ordering::Relaxed) {
            0 => self.origin,
            Self::NONE => {
                let now = Instant::now();
                let nanos = now.saturating_duration_since(self.origin).as_nanos();
                self.reading.store(u64::try_from(nanos).unwrap_or(Self::NONE), Ordering::Relaxed);
                now
            }
            nanos => self.origin + Duration::from_nanos(nanos),
        }
    }

    /// Makes the next reading a new one.
    pub(crate) fn forget(&self) {
        self.reading.store(Self::NONE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reading_holds_until_it_is_forgotten() {
        let moment = Moment::start();
        let start = moment.now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(moment.now(), start);
        moment.forget();
        let later = moment.now();
        assert_eq!(later - start, Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((moment.now(), moment.origin()), (later, start));
    }
}
