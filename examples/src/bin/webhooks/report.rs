//! What the program tells at its end, and whether it adds up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use dispatch_adapters::metrics::DeliveryMetrics;
use dispatch_adapters::model::{DeadLetter, DeadLetterOrigin};
use dispatch_examples::github::InputError;
use serde::Serialize;

use crate::receiver::Received;

/// What was read and dispatched.
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) refused: u64,
    pub(crate) unreadable: u64,
    /// Why the input was not read to its end.
    pub(crate) failed: RefCell<Option<InputError>>,
}

/// Everything the program tells.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) unreadable: u64,
    pub(crate) elapsed_ms: f64,
    pub(crate) endpoints: Vec<Row>,
    pub(crate) dead_letters: Vec<Reason>,
    /// What does not add up.
    pub(crate) problems: Vec<String>,
}

/// The figures of one endpoint: of the sender, then of the receiver.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) manner: &'static str,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) attempts: u64,
    pub(crate) retries: u64,
    pub(crate) breaker_opened: u64,
    pub(crate) held: u64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) requests: u64,
    pub(crate) verified: u64,
    pub(crate) bad_signatures: u64,
    pub(crate) taken: u64,
    pub(crate) duplicates: u64,
}

/// Why events ended in the dead letters.
#[derive(Serialize)]
pub(crate) struct Reason {
    pub(crate) endpoint: String,
    pub(crate) last_error: String,
    pub(crate) attempts: u32,
    pub(crate) count: u64,
}

impl Report {
    pub(crate) fn new(
        sent: &Sent,
        metrics: &DeliveryMetrics,
        received: &[(&'static str, Received)],
        letters: &[DeadLetter],
        left: usize,
        elapsed: Duration,
    ) -> Self {
        let endpoints: Vec<_> =
            received.iter().map(|(name, received)| Row::new(name, sent.events, metrics, received)).collect();
        let mut problems: Vec<_> = endpoints.iter().flat_map(Row::problems).collect();
        let mut same = |what: &str, one: u64, other: u64| {
            if one != other {
                problems.push(format!("{what}: {one} and {other}"));
            }
        };
        let dead_lettered = endpoints.iter().map(|row| row.dead_lettered).sum();
        same("dead letters that were made and kept", dead_lettered, letters.len() as u64);
        same("events refused by the engine", sent.refused, 0);
        same("left behind at the end", left as u64, 0);
        Self {
            events: sent.events,
            unreadable: sent.unreadable,
            elapsed_ms: millis(elapsed),
            endpoints,
            dead_letters: reasons(letters),
            problems,
        }
    }

    pub(crate) fn adds_up(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Row {
    fn new(name: &'static str, sent: u64, metrics: &DeliveryMetrics, received: &Received) -> Self {
        let own = metrics.destination("webhook", name).cloned().unwrap_or_default();
        Self {
            name,
            manner: received.manner,
            sent,
            delivered: own.delivered,
            dead_lettered: own.dead_lettered,
            attempts: own.attempt_count(),
            retries: own.retries,
            breaker_opened: own.breaker.opened,
            held: own.held,
            p50_ms: own.latency.quantile(0.5).map(millis),
            p99_ms: own.latency.quantile(0.99).map(millis),
            requests: received.requests,
            verified: received.verified,
            bad_signatures: received.bad_signatures,
            taken: received.taken.len() as u64,
            duplicates: received.duplicates,
        }
    }

    /// What does not add up here.
    fn problems(&self) -> Vec<String> {
        let checks = [
            ("delivered + dead-lettered = sent", self.delivered + self.dead_lettered == self.sent),
            ("every request came from an attempt", self.requests <= self.attempts),
            ("verified + bad signatures = requests", self.verified + self.bad_signatures == self.requests),
            ("no bad signature", self.bad_signatures == 0),
            ("what was delivered was taken", (self.delivered..=self.sent).contains(&self.taken)),
        ];
        let failed = checks.into_iter().filter(|(_, holds)| !holds);
        failed.map(|(check, _)| format!("{}: this does not hold: {check}", self.name)).collect()
    }
}

/// The reasons of dead letters, the most frequent first.
fn reasons(letters: &[DeadLetter]) -> Vec<Reason> {
    let mut counts = BTreeMap::<_, u64>::new();
    for letter in letters {
        let endpoint = match &letter.origin {
            DeadLetterOrigin::Delivery { destination, .. } => destination.clone(),
            _ => "elsewhere".to_owned(),
        };
        *counts.entry((endpoint, letter.last_error.clone(), letter.history.attempts)).or_default() += 1;
    }
    let reasons = counts.into_iter().map(|((endpoint, last_error, attempts), count)| Reason {
        endpoint,
        last_error,
        attempts,
        count,
    });
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    reasons
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said() {
        let received = [("steady", Received { requests: 3, bad_signatures: 1, ..Received::default() })];
        let sent = Sent { events: 2, refused: 1, unreadable: 0, failed: RefCell::default() };
        let report = Report::new(&sent, &DeliveryMetrics::default(), &received, &[], 4, Duration::ZERO);
        assert_eq!(
            report.problems,
            [
                "steady: this does not hold: delivered + dead-lettered = sent",
                "steady: this does not hold: every request came from an attempt",
                "steady: this does not hold: verified + bad signatures = requests",
                "steady: this does not hold: no bad signature",
                "events refused by the engine: 1 and 0",
                "left behind at the end: 4 and 0",
            ]
        );
    }
}
