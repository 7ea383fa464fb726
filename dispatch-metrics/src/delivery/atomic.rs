use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::{BUCKETS, bucket_of_nanos, nanos};
use crate::{Histogram, Latency};

/// A counter. Whoever reads it after the threads that count have ended sees everything they counted.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    #[inline]
    pub(super) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number; zero if more ends than beginnings have been seen, as by one who came late.
    pub(super) fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// A [`Latency`] that threads share.
#[derive(Debug)]
pub(super) struct SharedLatency {
    total: Count,
    min: AtomicU64,
    max: AtomicU64,
    buckets: [Count; BUCKETS],
}

impl Default for SharedLatency {
    fn default() -> Self {
        Self {
            total: Count::default(),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            buckets: Default::default(),
        }
    }
}

impl SharedLatency {
    #[inline]
    pub(super) fn record(&self, duration: Duration) {
        let nanos = nanos(duration);
        if let Some(bucket) = self.buckets.get(bucket_of_nanos(nanos)) {
            bucket.add(1);
        }
        self.total.add(nanos);
        // Extremes are rare; most of the time a look is enough.
        if nanos < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(nanos, Ordering::Relaxed);
        }
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Latency {
        let counts = self.buckets.each_ref().map(Count::get);
        let (min, max) = (self.min.load(Ordering::Relaxed), self.max.load(Ordering::Relaxed));
        Latency::from_parts(self.total.get(), min, max, Histogram::from_counts(counts))
    }

    pub(super) fn reset(&self) {
        self.buckets.iter().chain([&self.total]).for_each(Count::reset);
        self.min.store(u64::MAX, Ordering::Relaxed);
        self.max.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_latency() {
        let (shared, mut plain) = (SharedLatency::default(), Latency::default());
        assert_eq!(shared.get(), plain);
        for ms in [0, 1, 7, 12_000, 3] {
            shared.record(Duration::from_millis(ms));
            plain.record(Duration::from_millis(ms));
            assert_eq!(shared.get(), plain);
        }
        shared.reset();
        assert_eq!(shared.get(), Latency::default());
    }
}
