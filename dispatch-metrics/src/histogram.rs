use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Number of buckets: one for each bound and one for everything above the last.
pub(crate) const BUCKETS: usize = 13;

const NANOS_PER_MS: u64 = 1_000_000;

/// How many durations fell into each of a fixed row of buckets.
///
/// The counters are **not** cumulative: a duration is counted in exactly one bucket, the first whose upper
/// bound it does not exceed. The bounds are 1, 5, 10, 25, 50, 100, 250, 500, 1,000, 2,500, 5,000 and 10,000
/// milliseconds, each inclusive; the buckets are named `le_1ms` to `le_10000ms`, and `gt_10000ms` takes the
/// rest. As JSON it is an object of name to count, in the order of the bounds.
///
/// ```
/// use std::time::Duration;
/// use dispatch_metrics::Histogram;
///
/// let mut histogram = Histogram::default();
/// histogram.record(Duration::from_millis(5));
/// histogram.record(Duration::from_micros(5_001));
/// assert_eq!(histogram.count_of("le_5ms"), Some(1));
/// assert_eq!(histogram.count_of("le_10ms"), Some(1));
/// assert_eq!(histogram.total(), 2);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
}

impl Histogram {
    /// The inclusive upper bounds in milliseconds, ascending; the last bucket has none.
    pub const BOUNDS_MS: [u64; BUCKETS - 1] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

    /// The names of the buckets in the order of their bounds.
    pub const NAMES: [&'static str; BUCKETS] = [
        "le_1ms",
        "le_5ms",
        "le_10ms",
        "le_25ms",
        "le_50ms",
        "le_100ms",
        "le_250ms",
        "le_500ms",
        "le_1000ms",
        "le_2500ms",
        "le_5000ms",
        "le_10000ms",
        "gt_10000ms",
    ];

    /// The name of the bucket a duration falls into.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dispatch_metrics::Histogram;
    ///
    /// assert_eq!(Histogram::bucket_name(Duration::from_millis(10)), "le_10ms");
    /// assert_eq!(Histogram::bucket_name(Duration::from_secs(3600)), "gt_10000ms");
    /// ```
    #[must_use]
    pub fn bucket_name(duration: Duration) -> &'static str {
        // The index of a bucket is less than their number.
        Self::NAMES[bucket_of_nanos(nanos(duration))]
    }

    /// The name of the bucket that a number of milliseconds falls into.
    ///
    /// A negative number and NaN count as zero.
    ///
    /// ```
    /// use dispatch_metrics::Histogram;
    ///
    /// assert_eq!(Histogram::bucket_of_ms(1.001), "le_5ms");
    /// assert_eq!(Histogram::bucket_of_ms(-1.0), "le_1ms");
    /// assert_eq!(Histogram::bucket_of_ms(f64::INFINITY), "gt_10000ms");
    /// ```
    #[must_use]
    pub fn bucket_of_ms(ms: f64) -> &'static str {
        // The comparison is false for NaN, which lands in the first bucket. The index is at most the number of
        // bounds, and there is one name more than bounds.
        let index = Self::BOUNDS_MS.partition_point(|bound| ms > *bound as f64);
        Self::NAMES[index]
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        self.record_nanos(nanos(duration));
    }

    #[inline]
    pub(crate) fn record_nanos(&mut self, nanos: u64) {
        // The index of a bucket is less than their number.
        self.counts[bucket_of_nanos(nanos)] += 1;
    }

    /// A histogram of these counters, in the order of the bounds.
    pub(crate) const fn from_counts(counts: [u64; BUCKETS]) -> Self {
        Self { counts }
    }

    /// The counters in the order of the bounds.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// The counter of the bucket with that name, or `None` if there is no such bucket.
    #[must_use]
    pub fn count_of(&self, name: &str) -> Option<u64> {
        self.iter().find(|(bucket, _)| *bucket == name).map(|(_, count)| count)
    }

    /// Name and counter of every bucket, in the order of the bounds.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Self::NAMES.into_iter().zip(self.counts)
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().copied().fold(0, u64::saturating_add)
    }

    /// Adds the counters of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// An upper estimate of a quantile: the bound of the bucket that holds it.
    ///
    /// `quantile` is cut to 0..=1. `None` if nothing was counted; [`Duration::MAX`] if the quantile lies above
    /// the last bound, since nothing more is known. See [`Latency::quantile`](crate::Latency::quantile) for an
    /// estimate that knows the maximum.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dispatch_metrics::Histogram;
    ///
    /// let mut histogram = Histogram::default();
    /// assert_eq!(histogram.quantile(0.5), None);
    /// for ms in [1, 2, 3, 300] {
    ///     histogram.record(Duration::from_millis(ms));
    /// }
    /// assert_eq!(histogram.quantile(0.5), Some(Duration::from_millis(5)));
    /// assert_eq!(histogram.quantile(0.99), Some(Duration::from_millis(500)));
    /// ```
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        // NaN becomes 0 on the way; the rank is 1..=total.
        let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen = count.saturating_add(seen);
            seen >= rank
        })?;
        Some(Self::BOUNDS_MS.get(bucket).map_or(Duration::MAX, |ms| Duration::from_millis(*ms)))
    }
}

/// The duration in nanoseconds, at most `u64::MAX` (584 years).
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// The index of the bucket, always less than [`BUCKETS`].
#[inline]
pub(crate) fn bucket_of_nanos(nanos: u64) -> usize {
    // Almost every dispatch ends within the first bound.
    if nanos <= NANOS_PER_MS {
        return 0;
    }
    Histogram::BOUNDS_MS.partition_point(|bound| nanos > bound * NANOS_PER_MS)
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(BUCKETS))?;
        for (name, count) in self.iter() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Buckets;

        impl<'de> Visitor<'de> for Buckets {
            type Value = Histogram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of bucket name to count")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Histogram, A::Error> {
                let mut histogram = Histogram::default();
                while let Some((name, count)) = map.next_entry::<String, u64>()? {
                    let bucket = Histogram::NAMES.iter().position(|bucket| *bucket == name);
                    match bucket.and_then(|index| histogram.counts.get_mut(index)) {
                        Some(slot) => *slot = count,
                        None => return Err(de::Error::unknown_field(&name, &Histogram::NAMES)),
                    }
                }
                Ok(histogram)
            }
        }

        deserializer.deserialize_map(Buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_name_a_bucket_agree_at_every_bound() {
        for bound in Histogram::BOUNDS_MS {
            let at = Duration::from_millis(bound);
            let over = at + Duration::from_nanos(1);
            assert_eq!(Histogram::bucket_name(at), format!("le_{bound}ms"));
            assert_eq!(Histogram::bucket_name(at), Histogram::bucket_of_ms(bound as f64));
            assert_eq!(
                Histogram::bucket_name(over),
                Histogram::bucket_of_ms(over.as_nanos() as f64 / 1_000_000.0)
            );
            assert_ne!(Histogram::bucket_name(at), Histogram::bucket_name(over));
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let cases = [
            (0.0, "le_1ms"),
            (1.0, "le_1ms"),
            (1.001, "le_5ms"),
            (5.0, "le_5ms"),
            (5.001, "le_10ms"),
            (10.0, "le_10ms"),
            (24.9, "le_25ms"),
            (50.0, "le_50ms"),
            (50.5, "le_100ms"),
            (250.0, "le_250ms"),
            (250.001, "le_500ms"),
            (1000.0, "le_1000ms"),
            (2500.0, "le_2500ms"),
            (2501.0, "le_5000ms"),
            (10000.0, "le_10000ms"),
            (10000.001, "gt_10000ms"),
            (3600000.0, "gt_10000ms"),
        ];
        for (ms, bucket) in cases {
            assert_eq!(Histogram::bucket_of_ms(ms), bucket, "{ms}");
            assert_eq!(Histogram::bucket_name(Duration::from_secs_f64(ms / 1_000.0)), bucket, "{ms}");
        }
    }

    #[test]
    fn odd_numbers_have_a_bucket() {
        assert_eq!(Histogram::bucket_of_ms(f64::NAN), "le_1ms");
        assert_eq!(Histogram::bucket_of_ms(f64::NEG_INFINITY), "le_1ms");
        assert_eq!(Histogram::bucket_name(Duration::MAX), "gt_10000ms");
    }

    #[test]
    fn quantiles_of_the_ends_and_beyond() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(60));
        for low in [-1.0, 0.0, 0.5, f64::NAN] {
            assert_eq!(histogram.quantile(low), Some(Duration::from_millis(1)), "{low}");
        }
        assert_eq!(histogram.quantile(2.0), Some(Duration::MAX));
    }

    #[test]
    fn an_unknown_bucket_is_refused() {
        let error = serde_json::from_str::<Histogram>(r#"{"le_2ms": 1}"#).unwrap_err();
        assert!(error.to_string().contains("le_2ms"), "{error}");
    }
}
