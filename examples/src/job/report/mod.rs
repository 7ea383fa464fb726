//! What the job tells at its end: one object, written as JSON or for people.

pub(crate) mod summary;

use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_adapters::metrics::DispatchMetrics;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::latency::{Bars, Spread};
use super::tally::{ByStatus, Executions, Tally, UnreadableLine};

/// Everything the job tells. The fields are explained in `figures.txt`, which is part of `--help`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) read: u64,
    pub(crate) unreadable: u64,
    pub(crate) refused: u64,
    pub(crate) dispatched: u64,
    pub(crate) by_status: ByStatus,
    pub(crate) outputs: u64,
    pub(crate) unpublished: u64,
    pub(crate) led_to: u64,
    pub(crate) led_to_by_status: ByStatus,
    pub(crate) by_dispatcher: BTreeMap<String, Executions>,
    pub(crate) latency: Latency,
    pub(crate) abandoned: usize,
    pub(crate) archived_bytes: u64,
    pub(crate) elapsed_ms: f64,
    pub(crate) dispatches_per_second: f64,
    pub(crate) interrupted: bool,
    pub(crate) unreadable_lines: Vec<UnreadableLine>,
    pub(crate) metrics: DispatchMetrics,
}

/// What is known beside the tally.
pub(crate) struct Rest {
    pub(crate) abandoned: usize,
    pub(crate) archived_bytes: u64,
    pub(crate) elapsed: Duration,
    pub(crate) interrupted: bool,
    pub(crate) metrics: DispatchMetrics,
}

impl Report {
    pub(crate) fn new(mut tally: Tally, rest: Rest) -> Self {
        let led_to = tally.all.without(&tally.answered);
        for id in rest.metrics.dispatcher_metrics.keys() {
            // A dispatcher that had nothing to do is shown too.
            tally.by_dispatcher.entry(id.to_string()).or_default();
        }
        let published = led_to.total() + rest.metrics.unpublishable_count;
        Self {
            read: tally.read,
            unreadable: tally.unreadable,
            refused: tally.refused,
            dispatched: tally.answered.total(),
            by_status: tally.answered,
            outputs: tally.outputs,
            unpublished: tally.outputs.saturating_sub(published),
            led_to: led_to.total(),
            led_to_by_status: led_to,
            by_dispatcher: tally.by_dispatcher,
            latency: Latency { spread: tally.latency, bars: tally.bars },
            abandoned: rest.abandoned,
            archived_bytes: rest.archived_bytes,
            elapsed_ms: millis(rest.elapsed),
            dispatches_per_second: tally.all.total() as f64 / rest.elapsed.as_secs_f64().max(1e-9),
            interrupted: rest.interrupted,
            unreadable_lines: tally.unreadable_lines,
            metrics: rest.metrics,
        }
    }
}

/// Time from dispatch to result, over all dispatches.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) spread: Spread,
    pub(crate) bars: Bars,
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |duration: Option<Duration>| duration.map(millis);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &self.spread.count())?;
        map.serialize_entry("min_ms", &ms(self.spread.min()))?;
        map.serialize_entry("avg_ms", &ms(self.spread.average()))?;
        map.serialize_entry("p50_ms", &ms(self.spread.quantile(0.5)))?;
        map.serialize_entry("p90_ms", &ms(self.spread.quantile(0.9)))?;
        map.serialize_entry("p99_ms", &ms(self.spread.quantile(0.99)))?;
        map.serialize_entry("max_ms", &ms(self.spread.max()))?;
        map.serialize_entry("histogram", &Histogram(&self.bars))?;
        map.end()
    }
}

struct Histogram<'a>(&'a Bars);

impl Serialize for Histogram<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(bound, count)| match bound {
            Some(bound) => (format!("le_{}us", bound.as_micros()), count),
            None => ("more".to_owned(), count),
        }))
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
