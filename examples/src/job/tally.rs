//! What has happened, counted from the results alone: independent of what the engine counts.

use std::collections::BTreeMap;

use dispatch_adapters::model::dispatch::DispatchResult;
use dispatch_adapters::prelude::DispatchStatus;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::latency::{Bars, Spread};

/// Number of results by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ByStatus([u64; DispatchStatus::ALL.len()]);

impl ByStatus {
    fn count(&mut self, status: DispatchStatus) {
        // The statuses are in the order of their discriminants.
        self.0[status as usize] += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DispatchStatus, u64)> {
        DispatchStatus::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What is here and not in a part of it.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let mut rest = *self;
        for (mine, theirs) in rest.0.iter_mut().zip(part.0) {
            *mine = mine.saturating_sub(theirs);
        }
        rest
    }
}

impl Serialize for ByStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (status, count) in self.iter() {
            map.serialize_entry(status.as_str(), &count)?;
        }
        map.end()
    }
}

/// What one dispatcher did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Executions {
    pub(crate) executions: u64,
    pub(crate) successes: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    #[serde(skip)]
    pub(crate) latency: Spread,
}

/// A line that is not an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UnreadableLine {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) read: u64,
    pub(crate) unreadable: u64,
    pub(crate) refused: u64,
    pub(crate) unreadable_lines: Vec<UnreadableLine>,
    /// Results of the events that were read.
    pub(crate) answered: ByStatus,
    /// Results of all dispatches.
    pub(crate) all: ByStatus,
    pub(crate) outputs: u64,
    pub(crate) by_dispatcher: BTreeMap<String, Executions>,
    pub(crate) latency: Spread,
    pub(crate) bars: Bars,
}

impl Tally {
    /// Lines that are listed; more are only counted.
    pub(crate) const LISTED: usize = 20;

    /// A line that is not an event. Returns it if it is one of those to list.
    pub(crate) fn unreadable(&mut self, line: u64, reason: String) -> Option<&UnreadableLine> {
        self.read += 1;
        self.unreadable += 1;
        if self.unreadable_lines.len() == Self::LISTED {
            return None;
        }
        self.unreadable_lines.push(UnreadableLine { line, reason });
        self.unreadable_lines.last()
    }

    /// The answer to an event that was read.
    pub(crate) fn answered(&mut self, status: DispatchStatus) {
        self.answered.count(status);
    }

    /// A dispatch ended, whatever led to it.
    pub(crate) fn ended(&mut self, result: &DispatchResult) {
        self.all.count(result.status());
        self.outputs += result.output_count() as u64;
        self.latency.record(result.duration());
        self.bars.record(result.duration());
        for outcome in result.outcomes() {
            let id = outcome.dispatcher_id().as_str();
            if !self.by_dispatcher.contains_key(id) {
                self.by_dispatcher.insert(id.to_owned(), Executions::default());
            }
            let Some(dispatcher) = self.by_dispatcher.get_mut(id) else { continue };
            dispatcher.executions += 1;
            match outcome.status() {
                DispatchStatus::Success => dispatcher.successes += 1,
                DispatchStatus::Timeout => dispatcher.timeouts += 1,
                _ => dispatcher.errors += 1,
            }
            dispatcher.latency.record(outcome.duration());
        }
    }
}

#[cfg(test)]
mod tests {
    use dispatch_adapters::model::IntoOutputs;
    use dispatch_adapters::prelude::DispatcherError;

    use super::*;

    #[test]
    fn what_ended_is_counted_once_everywhere() {
        let mut tally = Tally::default();
        tally.ended(&DispatchResult::success("a", ["x.y", "x.y"].into_outputs().unwrap()));
        tally.ended(&DispatchResult::failed("a", &DispatcherError::msg("no")));
        tally.ended(&DispatchResult::skipped("seen"));
        tally.answered(DispatchStatus::Success);
        assert_eq!((tally.outputs, tally.all.total(), tally.latency.count()), (2, 3, 3));
        assert_eq!(tally.all.without(&tally.answered).total(), 2);
        let a = &tally.by_dispatcher["a"];
        assert_eq!((a.executions, a.successes, a.errors, a.timeouts), (2, 1, 1, 0));
    }

    #[test]
    fn unreadable_lines_are_all_counted_and_some_listed() {
        let mut tally = Tally::default();
        let listed = (1..=100).filter(|line| tally.unreadable(*line, "bad".into()).is_some()).count();
        assert_eq!((listed, tally.unreadable, tally.read), (Tally::LISTED, 100, 100));
    }
}
