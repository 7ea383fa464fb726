use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The time of one call: the clock as it reads it, once for everything that happens without waiting; when it gives up; and
/// how long it was held.
///
/// - A reading holds until [`forget`](Self::forget); whoever waits for something forgets afterwards.
/// - It is shared by the policies of one call, which never run at the same time, so the order of memory does not
///   matter.
///
/// # Patience
/// Nobody waits with what a queue has taken, so its calls are patient: the rounds and the single envelopes that the actor of
/// a delivery works on (`delivery/work.rs`), and no other. A breaker holds them past `give_up_after` (`breaker/hold.rs`),
/// they wait for a place behind other batches without being counted or refused (`batch/sending.rs`), and the time of
/// either does not count when it is asked whether there is time for another attempt (`retry.rs`). Who has called waits, so
/// all else is impatient; the two never share a batch.
#[derive(Debug)]
pub(crate) struct Moment {
    origin: Instant,
    /// Nanoseconds since the origin.
    reading: AtomicU64,
    /// Nanoseconds from the origin to when the call is to be given up.
    end: AtomicU64,
    /// Whether it is never given up while it is held, and that time does not count.
    patient: bool,
    /// Nanoseconds that it was held.
    held: AtomicU64,
    /// Nanoseconds from the origin to its first failed probe.
    failing_since: AtomicU64,
}

impl Moment {
    const NONE: u64 = u64::MAX;

    /// The time now, which is the first reading.
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
            reading: AtomicU64::new(0),
            end: AtomicU64::new(Self::NONE),
            patient: false,
            held: AtomicU64::new(0),
            failing_since: AtomicU64::new(Self::NONE),
        }
    }

    /// Of a call that nobody waits for: it is held for as long as it takes.
    pub(crate) fn patient() -> Self {
        Self { patient: true, ..Self::start() }
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

    /// Says when the call is to be given up, unless that is sooner already.
    pub(crate) fn give_up_by(&self, end: Instant) {
        if self.patient {
            return;
        }
        let nanos = end.saturating_duration_since(self.origin).as_nanos();
        self.end.fetch_min(u64::try_from(nanos).unwrap_or(Self::NONE), Ordering::Relaxed);
    }

    /// When the call is to be given up, if ever.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        let nanos = self.end.load(Ordering::Relaxed);
        (nanos != Self::NONE).then(|| self.origin.checked_add(Duration::from_nanos(nanos))).flatten()
    }

    pub(crate) const fn is_patient(&self) -> bool {
        self.patient
    }

    /// It was held for so long.
    pub(crate) fn add_held(&self, time: Duration) {
        self.held.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(Self::NONE), Ordering::Relaxed);
    }

    /// How long it was held, if that does not count.
    pub(crate) fn held(&self) -> Duration {
        Duration::from_nanos(if self.patient { self.held.load(Ordering::Relaxed) } else { 0 })
    }

    /// Since when it has failed as a probe, this time included.
    pub(crate) fn failing_since(&self, now: Instant) -> Instant {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(Self::NONE);
        let first = self.failing_since.fetch_min(nanos, Ordering::Relaxed).min(nanos);
        self.origin.checked_add(Duration::from_nanos(first)).unwrap_or(now)
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
