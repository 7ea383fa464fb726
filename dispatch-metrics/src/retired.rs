//! The figures of dispatchers that are gone.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::{DispatcherMetrics, RETIRED_DISPATCHERS, RETIRED_LIMIT};

/// Keeps the figures of dispatchers whose slot was given up, by name for the last [`RETIRED_LIMIT`] of them and
/// added up for the rest: however many come and go, no count is lost and memory is bounded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retired {
    by_id: HashMap<Arc<str>, DispatcherMetrics>,
    /// In the order in which they went.
    order: VecDeque<Arc<str>>,
    rest: Option<DispatcherMetrics>,
}

impl Retired {
    /// Keeps figures, unless there are none.
    pub(crate) fn keep(&mut self, id: Arc<str>, mut metrics: DispatcherMetrics) {
        metrics.in_flight = 0;
        if metrics == DispatcherMetrics::default() {
            return;
        }
        self.order.push_back(Arc::clone(&id));
        self.by_id.insert(id, metrics);
        while self.order.len() > RETIRED_LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            if let Some(metrics) = self.by_id.remove(&oldest) {
                self.rest.get_or_insert_default().merge(&metrics);
            }
        }
    }

    /// The figures of an id that comes back.
    pub(crate) fn take(&mut self, id: &str) -> Option<DispatcherMetrics> {
        let metrics = self.by_id.remove(id)?;
        self.order.retain(|other| &**other != id);
        Some(metrics)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&DispatcherMetrics> {
        if id == RETIRED_DISPATCHERS { self.rest.as_ref() } else { self.by_id.get(id) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Arc<str>, DispatcherMetrics)> {
        let rest = self.rest.iter().map(|rest| (Arc::from(RETIRED_DISPATCHERS), rest.clone()));
        self.by_id.iter().map(|(id, metrics)| (Arc::clone(id), metrics.clone())).chain(rest)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
