//! What the program tells at its end, and whether it adds up.

use std::time::Duration;

use serde::Serialize;

use crate::parent::{Left, Runs};
use crate::said::Who;
use crate::tally::Tally;

/// Everything the program tells.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) unreadable: u64,
    pub(crate) runs: u64,
    pub(crate) kills: u64,
    pub(crate) elapsed_ms: f64,
    /// Records in the log.
    pub(crate) records: u64,
    /// Events that are in the log a second time: a kill came between the disk and the acknowledgement.
    pub(crate) published_again: u64,
    pub(crate) subscriptions: Vec<Row>,
    /// What does not add up.
    pub(crate) problems: Vec<String>,
}

/// The figures of one subscription.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Times that an order was handled.
    pub(crate) deliveries: u64,
    /// Orders that were handled.
    pub(crate) handled: u64,
    /// Of the deliveries, those of orders that had been handled before.
    pub(crate) duplicates: u64,
    /// Orders that were acknowledged to the publisher and never handled.
    pub(crate) lost: u64,
    /// Orders that came out of their turn, where there is one.
    pub(crate) out_of_order: u64,
    /// Orders that are not settled in the end.
    pub(crate) lag: u64,
}

impl Report {
    pub(crate) fn new(
        events: u64,
        unreadable: u64,
        runs: &Runs,
        tally: &Tally,
        left: &Left,
        elapsed: Duration,
    ) -> Self {
        let subscriptions: Vec<_> = Who::ALL
            .iter()
            .zip(left.cursors)
            .map(|(who, next)| Row::new(*who, tally, left.records, next))
            .collect();
        let mut problems = Vec::new();
        let mut same = |what: String, one: u64, other: u64| {
            if one != other {
                problems.push(format!("{what}: {one} and {other}"));
            }
        };
        same("events, and those whose publishing was acknowledged".to_owned(), events, tally.acknowledged());
        for (row, who) in subscriptions.iter().zip(Who::ALL) {
            let name = row.name;
            same(format!("{name}: records and orders handled"), left.records, row.handled);
            same(format!("{name}: events and events handled"), events, tally.of(who).events());
            same(format!("{name}: orders lost"), row.lost, 0);
            same(format!("{name}: orders out of turn"), row.out_of_order, 0);
            same(format!("{name}: lag in the end"), row.lag, 0);
        }
        Self {
            events,
            unreadable,
            runs: runs.started,
            kills: runs.killed,
            elapsed_ms: elapsed.as_secs_f64() * 1000.0,
            records: left.records,
            published_again: left.records.saturating_sub(events),
            subscriptions,
            problems,
        }
    }
}

impl Row {
    fn new(who: Who, tally: &Tally, records: u64, next: u64) -> Self {
        let own = tally.of(who);
        let (kind, out_of_order) = match who {
            Who::Billing => ("exclusive", own.behind),
            Who::Workers => ("shared", 0),
            Who::Customers => ("key_shared", own.behind_of_customer),
        };
        Self {
            name: who.as_str(),
            kind,
            deliveries: own.count() + own.duplicates,
            handled: own.count(),
            duplicates: own.duplicates,
            lost: tally.missing(who),
            out_of_order,
            lag: records.saturating_sub(next),
        }
    }
}
