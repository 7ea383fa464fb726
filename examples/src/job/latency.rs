//! Durations, finely enough to show microseconds.
//!
//! - [`Spread`]: quantiles with an error of at most 12.5 %, in 4 KiB: eight buckets for each doubling.
//! - [`Bars`]: counts between round bounds, for people.

use std::time::Duration;

const STEPS: u64 = 8;
const BUCKETS: usize = 496;

/// How durations are spread.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    total: Duration,
    min: Duration,
    max: Duration,
}

impl Default for Spread {
    fn default() -> Self {
        let (total, min, max) = (Duration::ZERO, Duration::MAX, Duration::ZERO);
        Self { buckets: Box::new([0; BUCKETS]), count: 0, total, min, max }
    }
}

impl Spread {
    pub(crate) fn record(&mut self, duration: Duration) {
        // The index is below the number of buckets for every u64.
        self.buckets[index(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))] += 1;
        self.count += 1;
        self.total = self.total.saturating_add(duration);
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.min)
    }

    pub(crate) fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    pub(crate) fn average(&self) -> Option<Duration> {
        let nanos = self.total.as_nanos().checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// The duration that a share of all does not exceed; rather too long than too short.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(upper(bucket)).clamp(self.min, self.max))
    }
}

/// The bucket of a number: itself below 8, then eight for each power of two.
fn index(nanos: u64) -> usize {
    let bucket = match nanos.checked_ilog2() {
        Some(power @ 3..) => {
            let shift = u64::from(power) - 3;
            (shift + 1) * STEPS + ((nanos >> shift) & (STEPS - 1))
        }
        _ => nanos,
    };
    bucket as usize
}

/// The largest number of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / STEPS).checked_sub(1) {
        None => bucket,
        Some(shift) => {
            let end = u128::from(STEPS + bucket % STEPS + 1) << shift;
            u64::try_from(end - 1).unwrap_or(u64::MAX)
        }
    }
}

/// Inclusive upper bounds of the bars, in microseconds.
const BOUNDS_US: [u64; 19] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// Counts between round bounds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bars([u64; BOUNDS_US.len() + 1]);

impl Bars {
    pub(crate) fn record(&mut self, duration: Duration) {
        // There is one bar more than bounds.
        self.0[BOUNDS_US.partition_point(|us| duration > Duration::from_micros(*us))] += 1;
    }

    /// Upper bound, `None` for the last, and count of every bar.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| Some(Duration::from_micros(*us))).chain([None]);
        bounds.zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_bucket_that_holds_it() {
        let numbers =
            (0..64).flat_map(|power| [1_u64 << power, (1 << power) - 1, (1 << power) + (1 << power) / 3]);
        for number in numbers.chain([u64::MAX]) {
            let bucket = index(number);
            assert!(bucket < BUCKETS && number <= upper(bucket), "{number}");
            assert!(bucket == 0 || number > upper(bucket - 1), "{number}");
            assert!(upper(bucket) - number <= number / 8, "{number}");
        }
    }

    #[test]
    fn quantiles_are_close() {
        let mut spread = Spread::default();
        assert_eq!((spread.quantile(0.5), spread.average(), spread.min()), (None, None, None));
        for ms in 1..=100 {
            spread.record(Duration::from_millis(ms));
        }
        let p50 = spread.quantile(0.5).unwrap().as_secs_f64() * 1000.0;
        assert!((50.0..=56.3).contains(&p50), "{p50}");
        assert_eq!(spread.quantile(1.0), Some(Duration::from_millis(100)));
        assert_eq!(spread.average(), Some(Duration::from_micros(50_500)));
    }

    #[test]
    fn bounds_of_bars_are_inclusive() {
        let mut bars = Bars::default();
        bars.record(Duration::from_micros(10));
        bars.record(Duration::from_nanos(10_001));
        bars.record(Duration::from_secs(11));
        let counts: Vec<_> = bars.iter().map(|(_, count)| count).collect();
        assert_eq!((counts[0], counts[1], counts[19]), (1, 1, 1));
    }
}
