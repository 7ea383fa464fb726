//! What a worker has done: plain numbers, which are its own until it ends.

use std::collections::BTreeMap;

use dispatch_metrics::WorkMetrics;

use crate::messenger::Messenger;

/// The figures of a worker, by the place of the transport in its configuration. Dropped, they are handed to the messenger.
pub(super) struct Figures {
    messenger: Messenger,
    number: u32,
    transports: Vec<(String, WorkMetrics)>,
}

impl Figures {
    /// Of a worker that has just got its number.
    pub(super) fn new(messenger: &Messenger, number: u32, transports: &[String]) -> Self {
        let transports = transports.iter().map(|name| (name.clone(), WorkMetrics::default())).collect();
        Self { messenger: messenger.clone(), number, transports }
    }

    /// Changes those of a transport.
    pub(super) fn of(&mut self, place: usize, change: impl FnOnce(&mut WorkMetrics)) {
        if let Some((_, work)) = self.transports.get_mut(place) {
            change(work);
        }
    }

    /// By the names of the transports.
    pub(super) fn by_name(&self) -> BTreeMap<String, WorkMetrics> {
        let mut all: BTreeMap<String, WorkMetrics> = BTreeMap::new();
        for (name, work) in &self.transports {
            all.entry(name.clone()).or_default().merge(work);
        }
        all
    }

    /// The name of a transport.
    pub(super) fn transport(&self, place: usize) -> &str {
        self.transports.get(place).map_or("", |(name, _)| name)
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        self.messenger.shared.roster.leave(self.number, self.transports.drain(..));
    }
}
