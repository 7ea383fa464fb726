//! What claims and settlements look at depends on what they take, and not on how much there is.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::{DispatchOptions, Message, MessengerConfig, Priority, QueuedMessage};
use dispatch_core::queue::{Claim, Outcome, Settlement, Submission, WorkerId};
use rusqlite::{CachedStatement, Connection, StatementStatus};
use serde_json::json;
use uuid::Uuid;

use super::super::{database, row};
use super::{Known, Limits, Store};

thread_local! {
    /// Steps of SQLite's machine on this thread: the same work takes the same number.
    static STEPS: Cell<i64> = const { Cell::new(0) };
}

/// Counts what a statement did.
pub(super) fn count(statement: &CachedStatement<'_>) {
    let steps = statement.reset_status(StatementStatus::VmStep);
    STEPS.set(STEPS.get() + i64::from(steps));
}

const NOW: i64 = 1_900_000_000_000;
const TOMORROW: i64 = NOW + 86_400_000;

fn message() -> QueuedMessage {
    let routing = MessengerConfig::default().check().unwrap();
    let message = Message::new("SendMail", &json!({ "to": "ann@example.com" })).unwrap();
    let options = DispatchOptions::default().with_transports(["default"]);
    let now = row::time(NOW - 1_000);
    routing.plan(&message, &options, now, Uuid::now_v7).unwrap().remove(0)
}

fn put(store: &mut Store<'_>, message: QueuedMessage) {
    let body = row::body(&message, usize::MAX).unwrap();
    store.enqueue(&Submission::new(message), &body).unwrap().unwrap();
}

/// Ten messages in, out, retried, out again and done: what it took.
fn cycle(store: &mut Store<'_>) -> i64 {
    let before = STEPS.get();
    let claim = Claim {
        worker: WorkerId::new("one"),
        queues: vec!["default".parse().unwrap()],
        max: 1,
        lease: Duration::from_secs(60),
    };
    for number in 0..10 {
        let mut sent = message();
        sent.ordering_key = (number % 2 == 0).then(|| format!("own-{number}"));
        put(store, sent);
        for last in [false, true] {
            let leased = store.claim(&claim).unwrap().messages.remove(0);
            let attempt = dispatch_core::queue::Attempt {
                series: 0,
                number: leased.attempt,
                worker: WorkerId::new("one"),
                started_at: SystemTime::UNIX_EPOCH,
                waited: Duration::ZERO,
                ran: None,
                error: String::new(),
                unrecoverable: false,
            };
            let again = Outcome::Retry { at: row::time(NOW), attempt, succeeded: Vec::new() };
            let outcome = if last { Outcome::Done } else { again };
            store.settle(&Settlement { token: leased.token, outcome }).unwrap().unwrap();
        }
        assert!(store.claim(&claim).unwrap().messages.is_empty());
    }
    STEPS.get() - before
}

/// What `DISPATCH_PROOF` multiplies the crowd with, up to a million.
fn proof() -> usize {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn what_is_scheduled_waits_or_has_failed_is_not_looked_at() {
    let count = 3_000 * proof().min(334);
    let connection = Connection::open_in_memory().unwrap();
    database::migrate(&connection, Path::new("")).unwrap();
    let limits = Limits { per_key: 1, keep_done: Duration::ZERO, max_message_bytes: usize::MAX };
    let mut store = Store {
        connection: &connection,
        path: Path::new(""),
        limits: &limits,
        now: NOW,
        transport: "default",
        woken: false,
        known: Known::default(),
    };
    cycle(&mut store);
    let alone = cycle(&mut store);
    for number in 0..count {
        let mut sent = message();
        sent.priority = Priority::HIGHEST;
        match number % 3 {
            0 => sent.available_at = row::time(TOMORROW),
            1 => {
                sent.available_at = row::time(TOMORROW);
                sent.ordering_key = Some("one".to_owned());
            }
            _ => {}
        }
        let (id, fails) = (sent.id, number % 3 == 2);
        put(&mut store, sent);
        if fails {
            let sql = "UPDATE dispatch_message SET state = 5, settled = ? WHERE id = ?";
            store.run(sql, (NOW, id.into_bytes())).unwrap();
        }
    }
    let crowded = cycle(&mut store);
    // A look at each of them would take thousands of steps more.
    assert!(crowded < alone + alone / 4, "{crowded} steps beside {count}, {alone} alone");
}
