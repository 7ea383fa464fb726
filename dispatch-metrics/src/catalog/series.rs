use std::fmt;

use crate::{DispatchMetrics, Latency};

/// A snapshot that exporters can write: it says which series it has.
pub trait Snapshot: Sized + 'static {
    /// Every series, once.
    fn catalog() -> &'static [Series<Self>];

    /// The value of the first label, if it is the same in every sample.
    fn scope(&self) -> Option<&str>;
}

/// What a number does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows, until a reset.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by bucket, with their sum and number.
    Histogram,
}

impl Kind {
    /// The name Prometheus has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One series: what it is called, what it means, and how it is read off a snapshot.
#[non_exhaustive]
pub struct Series<S = DispatchMetrics> {
    /// Full name, as Prometheus shows it; a name with `_seconds` is in seconds, every other is a number.
    pub name: &'static str,
    /// What the number does over time.
    pub kind: Kind,
    /// Names of the labels; the first is `engine`, `adapter` for deliveries, `bus` for subscriptions, or `messenger`.
    pub labels: &'static [&'static str],
    /// What it counts, in one line.
    pub meaning: &'static str,
    pub(super) read: for<'a> fn(&'a S, &mut Samples<'a>),
}

impl<S: Snapshot> Series<S> {
    /// What a snapshot has of this series: one sample for each combination of labels.
    #[must_use]
    pub fn samples<'a>(&self, metrics: &'a S) -> Vec<Sample<'a>> {
        let mut samples = Samples { labels: self.labels, scope: metrics.scope(), list: Vec::new() };
        (self.read)(metrics, &mut samples);
        samples.list
    }
}

impl<S> Clone for Series<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Series<S> {}

impl<S> fmt::Debug for Series<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("labels", &self.labels)
            .field("meaning", &self.meaning)
            .finish_non_exhaustive()
    }
}

/// Name and value of a label; the value is not escaped.
pub type Label<'a> = (&'static str, &'a str);

/// One number, or one histogram, of a series.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sample<'a> {
    /// One value for each label of the series, in the same order.
    pub labels: Vec<Label<'a>>,
    /// The number.
    pub value: Value<'a>,
}

/// The number of a [`Sample`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A whole number, of a counter or a gauge.
    Count(u64),
    /// A sum of durations in seconds, of a counter.
    Seconds(f64),
    /// The durations of a histogram.
    Latency(&'a Latency),
}

/// The samples of one series while they are read.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    labels: &'static [&'static str],
    scope: Option<&'a str>,
    list: Vec<Sample<'a>>,
}

impl<'a> Samples<'a> {
    /// Adds a sample; `values` are those of the labels, without the one that all samples share.
    pub(super) fn push(&mut self, values: &[&'a str], value: Value<'a>) {
        let values = self.scope.into_iter().chain(values.iter().copied());
        self.list.push(Sample { labels: self.labels.iter().copied().zip(values).collect(), value });
    }
}
