use std::time::Duration;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Histogram;
use crate::histogram::nanos;

const NANOS_PER_MS: f64 = 1_000_000.0;

/// The durations of one kind of work: how many, their sum, the shortest, the longest, and a [`Histogram`].
///
/// Kept as whole nanoseconds (at most 584 years in all). As JSON, in milliseconds: `total_latency_ms`,
/// `avg_latency_ms` (0 when empty), `min_latency_ms` and `max_latency_ms` (null until the first), and
/// `latency_histogram`.
///
/// ```
/// use std::time::Duration;
/// use dispatch_metrics::Latency;
///
/// let mut latency = Latency::default();
/// assert_eq!((latency.count(), latency.min()), (0, None));
/// latency.record(Duration::from_millis(2));
/// latency.record(Duration::from_millis(4));
/// assert_eq!(latency.average(), Duration::from_millis(3));
/// assert_eq!(latency.max(), Some(Duration::from_millis(4)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Sum in nanoseconds.
    total: u64,
    /// Shortest and longest in nanoseconds. While empty, and only then, the shortest is the longer one.
    min: u64,
    max: u64,
    histogram: Histogram,
}

impl Default for Latency {
    fn default() -> Self {
        Self { total: 0, min: u64::MAX, max: 0, histogram: Histogram::default() }
    }
}

impl Latency {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        self.total = self.total.saturating_add(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.histogram.record_nanos(nanos);
    }

    /// A latency of these parts, all in nanoseconds; a minimum above the maximum means that nothing was counted.
    pub(crate) const fn from_parts(total: u64, min: u64, max: u64, histogram: Histogram) -> Self {
        Self { total, min, max, histogram }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.total()
    }

    /// Sum of the durations.
    #[must_use]
    pub const fn total(&self) -> Duration {
        Duration::from_nanos(self.total)
    }

    /// Mean of the durations, zero when there are none.
    #[must_use]
    pub fn average(&self) -> Duration {
        Duration::from_nanos(self.total.checked_div(self.count()).unwrap_or(0))
    }

    /// The shortest duration, if any was counted.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        (self.min <= self.max).then_some(Duration::from_nanos(self.min))
    }

    /// The longest duration, if any was counted.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.min <= self.max).then_some(Duration::from_nanos(self.max))
    }

    /// The durations by bucket.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// An upper estimate of a quantile: the bound of the bucket that holds it, or the longest duration if that
    /// is shorter. `None` if nothing was counted; `quantile` is cut to 0..=1.
    ///
    /// ```
    /// use std::time::Duration;
    /// use dispatch_metrics::Latency;
    ///
    /// let mut latency = Latency::default();
    /// latency.record(Duration::from_secs(42));
    /// assert_eq!(latency.quantile(0.99), Some(Duration::from_secs(42)));
    /// ```
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        self.histogram.quantile(quantile).zip(self.max()).map(|(bound, max)| bound.min(max))
    }

    /// Adds the durations of another latency, as if each had been recorded here.
    pub fn merge(&mut self, other: &Self) {
        self.total = self.total.saturating_add(other.total);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.histogram.merge(&other.histogram);
    }

    /// What was counted since an earlier state of the same latency. The shortest and the longest stay those of all.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut counts = *self.histogram.counts();
        for (mine, before) in counts.iter_mut().zip(earlier.histogram.counts()) {
            *mine = mine.saturating_sub(*before);
        }
        let histogram = Histogram::from_counts(counts);
        if histogram.total() == 0 {
            return Self::default();
        }
        Self { total: self.total.saturating_sub(earlier.total), histogram, ..*self }
    }

    /// Writes the five JSON fields into an object that is being written.
    pub(crate) fn write_fields<S: SerializeStruct>(&self, object: &mut S) -> Result<(), S::Error> {
        object.serialize_field("total_latency_ms", &ms(self.total))?;
        object.serialize_field("avg_latency_ms", &average_ms(self.total, self.count()))?;
        object.serialize_field("min_latency_ms", &self.min().map(|min| ms(nanos(min))))?;
        object.serialize_field("max_latency_ms", &self.max().map(|max| ms(nanos(max))))?;
        object.serialize_field("latency_histogram", &self.histogram)
    }

    /// How many fields [`write_fields`](Self::write_fields) writes.
    pub(crate) const FIELDS: usize = 5;
}

/// Nanoseconds as milliseconds.
pub(crate) fn ms(nanos: u64) -> f64 {
    nanos as f64 / NANOS_PER_MS
}

/// Milliseconds as nanoseconds; a negative number and NaN are zero. Exact for what [`ms`] made of less than
/// three weeks, and off by no more than the precision of the number above that.
pub(crate) fn nanos_of_ms(ms: f64) -> u64 {
    (ms * NANOS_PER_MS).round() as u64
}

/// The mean in milliseconds, zero for nothing.
pub(crate) fn average_ms(total_nanos: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { ms(total_nanos) / count as f64 }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Latency", Self::FIELDS)?;
        self.write_fields(&mut object)?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize, Default)]
        #[serde(default)]
        struct Fields {
            total_latency_ms: f64,
            min_latency_ms: Option<f64>,
            max_latency_ms: Option<f64>,
            latency_histogram: Histogram,
        }

        let fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            total: nanos_of_ms(fields.total_latency_ms),
            min: fields.min_latency_ms.map_or(u64::MAX, nanos_of_ms),
            max: fields.max_latency_ms.map_or(0, nanos_of_ms),
            histogram: fields.latency_histogram,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_in_milliseconds_and_reads_back() {
        let mut latency = Latency::default();
        latency.record(Duration::from_nanos(1_500_001));
        latency.record(Duration::from_millis(10_001));
        let json = serde_json::to_value(latency).unwrap();
        assert_eq!(json["total_latency_ms"], 10_002.500_001);
        assert_eq!(json["min_latency_ms"], 1.500_001);
        assert_eq!(json["latency_histogram"]["gt_10000ms"], 1);
        assert_eq!(serde_json::from_value::<Latency>(json).unwrap(), latency);
    }

    #[test]
    fn empty_has_no_extremes() {
        let json = serde_json::to_value(Latency::default()).unwrap();
        assert!(json["min_latency_ms"].is_null() && json["max_latency_ms"].is_null());
        assert_eq!(json["avg_latency_ms"], 0.0);
        assert_eq!(serde_json::from_value::<Latency>(json).unwrap(), Latency::default());
    }

    #[test]
    fn centuries_saturate() {
        let mut latency = Latency::default();
        latency.record(Duration::MAX);
        latency.record(Duration::MAX);
        assert_eq!(latency.total(), Duration::from_nanos(u64::MAX));
        assert_eq!(latency.count(), 2);
    }
}
