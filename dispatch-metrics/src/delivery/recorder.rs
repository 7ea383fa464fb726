use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};

use super::{DeliveryMeter, DeliveryMetrics, DestinationMetrics};
use crate::{DEFAULT_DESTINATION_LIMIT, OTHER_DESTINATIONS};

/// Counts what happens to deliveries, by destination. Clones are the same recorder, and may be used from any thread.
///
/// A destination should have a [`meter`](Self::meter) of its own, which finds its counters once. As an observer the
/// recorder looks them up by the labels of each event.
///
/// ```
/// use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels};
/// use dispatch_metrics::DeliveryRecorder;
///
/// let recorder = DeliveryRecorder::new();
/// let meter = recorder.meter(&DeliveryLabels::new("webhook", "https://example.com/"));
/// meter.record(&DeliveryEvent::Delivered);
/// let metrics = recorder.snapshot();
/// assert_eq!(metrics.destination("webhook", "https://example.com/").map(|it| it.delivered), Some(1));
/// ```
#[derive(Clone)]
pub struct DeliveryRecorder {
    shared: Arc<Shared>,
}

type Meters = BTreeMap<DeliveryLabels, Arc<DeliveryMeter>>;

struct Shared {
    /// Only ever grows, up to the limit; replaced as a whole, so that nobody waits for anybody.
    meters: ArcSwap<Meters>,
    limit: usize,
    other: Arc<DeliveryMeter>,
}

impl Default for DeliveryRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl DeliveryRecorder {
    /// An empty recorder, with [`DEFAULT_DESTINATION_LIMIT`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_DESTINATION_LIMIT)
    }

    /// An empty recorder that tells that many destinations apart.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        let meters = ArcSwap::from_pointee(Meters::new());
        Self { shared: Arc::new(Shared { meters, limit, other: Arc::default() }) }
    }

    /// The meter of a destination: the same for the same labels, and that of the rest once the limit is reached.
    #[must_use]
    pub fn meter(&self, labels: &DeliveryLabels) -> Arc<DeliveryMeter> {
        self.with_meter(labels, Arc::clone)
    }

    fn with_meter<T>(&self, labels: &DeliveryLabels, then: impl FnOnce(&Arc<DeliveryMeter>) -> T) -> T {
        let Shared { meters, limit, other } = &*self.shared;
        let known = meters.load();
        if let Some(meter) = known.get(labels) {
            return then(meter);
        }
        if known.len() >= *limit || is_other(labels) {
            return then(other);
        }
        let fresh = Arc::new(DeliveryMeter::default());
        meters.rcu(|known| {
            // Others may have come first, even with the same labels.
            if known.len() >= *limit || known.contains_key(labels) {
                return Arc::clone(known);
            }
            let mut grown = Meters::clone(known);
            grown.insert(labels.clone(), Arc::clone(&fresh));
            Arc::new(grown)
        });
        then(meters.load().get(labels).unwrap_or(other))
    }

    /// The figures of every destination that has a meter.
    #[must_use]
    pub fn snapshot(&self) -> DeliveryMetrics {
        let Shared { meters, limit, other } = &*self.shared;
        let mut metrics = DeliveryMetrics { destination_limit: *limit, ..DeliveryMetrics::default() };
        let mut add = |labels: &DeliveryLabels, figures: DestinationMetrics| {
            let adapter = metrics.adapters.entry(Arc::clone(&labels.adapter)).or_default();
            adapter.insert(Arc::clone(&labels.destination), figures);
        };
        for (labels, meter) in &**meters.load() {
            add(labels, meter.snapshot());
        }
        let (rest, unused) = (other.snapshot(), DeliveryMeter::default().snapshot());
        if rest != unused {
            add(&DeliveryLabels::new(OTHER_DESTINATIONS, OTHER_DESTINATIONS), rest);
        }
        metrics
    }

    /// Starts again from nothing; the destinations, what they have in flight and the phases of their breakers stay.
    pub fn reset(&self) {
        self.shared.meters.load().values().for_each(|meter| meter.reset());
        self.shared.other.reset();
    }
}

fn is_other(labels: &DeliveryLabels) -> bool {
    [&labels.adapter, &labels.destination].iter().all(|label| &***label == OTHER_DESTINATIONS)
}

impl DeliveryObserver for DeliveryRecorder {
    fn on_event(&self, labels: &DeliveryLabels, event: &DeliveryEvent) {
        self.with_meter(labels, |meter| meter.record(event));
    }
}

impl fmt::Debug for DeliveryRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryRecorder")
            .field("destinations", &self.shared.meters.load().keys())
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}
