//! Snapshots in the Prometheus text format (feature `prometheus`).
//!
//! [`render`] gives the text of a scrape of one kind of snapshot, [`Scrape`] that of several kinds together. To put
//! the figures beside other metrics of the same process, register a [`SnapshotCollector`] with a `prometheus_client`
//! registry.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::catalog::{Kind, Snapshot, Value};
use crate::{DispatchMetrics, Histogram, Latency};

/// The media type of what [`render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes snapshots as one scrape: every series of the [`catalog`](crate::catalog) with the samples of all
/// engines, then `# EOF`. The engines should have different names.
///
/// # Errors
/// Never for a `String` as such; whatever `prometheus_client` reports is passed on.
///
/// ```
/// use dispatch_metrics::{DispatchMetrics, prometheus};
///
/// let text = prometheus::render([&DispatchMetrics::new("shop")])?;
/// assert!(text.contains(r#"dispatch_dispatches_total{engine="shop",status="success"} 0"#));
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub fn render<'a, S: Exportable>(snapshots: impl IntoIterator<Item = &'a S>) -> Result<String, fmt::Error> {
    Scrape::default().with(snapshots).render()
}

/// What a snapshot has to be so that a registry can keep it: [`Snapshot`], and a plain value.
pub trait Exportable: Snapshot + Clone + fmt::Debug + Send + Sync {}

impl<S: Snapshot + Clone + fmt::Debug + Send + Sync> Exportable for S {}

/// One scrape of several kinds of snapshots: of engines, of deliveries, of buses and of messengers.
///
/// ```
/// use dispatch_metrics::prometheus::Scrape;
/// use dispatch_metrics::{DeliveryRecorder, DispatchMetrics};
///
/// let (engine, deliveries) = (DispatchMetrics::new("shop"), DeliveryRecorder::new());
/// let text = Scrape::default().with([&engine]).with([&deliveries.snapshot()]).render()?;
/// assert!(text.contains("dispatch_dispatches_total") && text.contains("dispatch_delivery_attempts"));
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a scrape is no text until it is rendered"]
pub struct Scrape {
    registry: Registry,
}

impl Scrape {
    /// Adds snapshots; each kind once.
    pub fn with<'a, S: Exportable>(mut self, snapshots: impl IntoIterator<Item = &'a S>) -> Self {
        let collector = SnapshotCollector::new(snapshots.into_iter().cloned().collect());
        self.registry.register_collector(Box::new(collector));
        self
    }

    /// The text, with `# EOF` at its end.
    ///
    /// # Errors
    /// Never for a `String` as such; whatever `prometheus_client` reports is passed on.
    pub fn render(self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Snapshots as a source for a `prometheus_client` registry.
#[derive(Debug, Clone)]
pub struct SnapshotCollector<S = DispatchMetrics> {
    snapshots: Vec<S>,
}

impl<S> Default for SnapshotCollector<S> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<S> SnapshotCollector<S> {
    /// A collector of these snapshots. One collector may hold several engines; two collectors of one kind in one
    /// registry would write every series twice.
    #[must_use]
    pub const fn new(snapshots: Vec<S>) -> Self {
        Self { snapshots }
    }
}

impl<S: Exportable> Collector for SnapshotCollector<S> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for series in S::catalog() {
            let kind = match series.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            // The crate adds the suffix of counters itself.
            let name = series.name.strip_suffix("_total").unwrap_or(series.name);
            let mut family = encoder.encode_descriptor(name, series.meaning, None, kind)?;
            for sample in self.snapshots.iter().flat_map(|snapshot| series.samples(snapshot)) {
                let mut metric = family.encode_family(&sample.labels)?;
                match (series.kind, sample.value) {
                    (_, Value::Latency(latency)) => encode_latency(&mut metric, latency)?,
                    (Kind::Gauge, Value::Count(count)) => metric.encode_gauge(&count)?,
                    (Kind::Gauge, Value::Seconds(seconds)) => metric.encode_gauge(&seconds)?,
                    (_, Value::Count(count)) => metric.encode_counter::<NoLabelSet, _, f64>(&count, None)?,
                    (_, Value::Seconds(seconds)) => {
                        metric.encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn encode_latency(metric: &mut MetricEncoder<'_>, latency: &Latency) -> Result<(), fmt::Error> {
    let bounds = Histogram::BOUNDS_MS.iter().map(|ms| *ms as f64 / 1_000.0).chain([f64::INFINITY]);
    // The crate makes the counts cumulative.
    let buckets: Vec<_> = bounds.zip(*latency.histogram().counts()).collect();
    metric.encode_histogram::<NoLabelSet>(latency.total().as_secs_f64(), latency.count(), &buckets, None)
}
