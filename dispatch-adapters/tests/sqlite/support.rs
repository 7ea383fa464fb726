//! What the tests of the log have in common.

use std::path::Path;
use std::time::Duration;

use dispatch_adapters::model::log::{LogError, LogRecord, Offset, ReadLimit, SyncPolicy, TopicLog};
use dispatch_adapters::model::{Envelope, Topic};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use serde_json::json;

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs something on a runtime of its own, which does not wait for ever.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it hangs") })
}

pub(crate) fn policies() -> [SyncPolicy; 3] {
    [SyncPolicy::Always, SyncPolicy::Os, SyncPolicy::Interval { every: Duration::from_millis(5) }]
}

pub(crate) fn topic() -> Topic {
    "shop.order.events".parse().unwrap()
}

pub(crate) async fn open(folder: &Path) -> Result<SqliteLog, LogError> {
    SqliteLog::open(SqliteLogOptions::new(folder)).await
}

/// An envelope that is known by its number.
pub(crate) fn numbered(number: u64) -> Envelope {
    Envelope::json("OrderPlaced", json!({ "number": number, "text": "x".repeat(64) }))
}

/// The number of a record.
pub(crate) fn number_of(record: &LogRecord) -> u64 {
    record.entry.envelope.raw_payload().to_json().unwrap()["number"].as_u64().unwrap()
}

/// Appends one after the other.
pub(crate) async fn fill(log: &SqliteLog, topic: &Topic, numbers: std::ops::Range<u64>) {
    for number in numbers {
        log.append(topic, vec![numbered(number).into()]).await.unwrap();
    }
}

/// Damages the record with number 6, in a log that was closed.
pub(crate) fn damage_six(folder: &Path) {
    let path = folder.join("log.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let mark = b"\"number\":6";
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
    bytes[at + mark.len() - 1] = b'5';
    std::fs::write(&path, bytes).unwrap();
}

/// Everything that a topic keeps, up to the first error.
pub(crate) async fn all(log: &dyn TopicLog, topic: &Topic) -> Result<Vec<LogRecord>, LogError> {
    let mut all = Vec::new();
    let mut from = Offset::ZERO;
    loop {
        let read = log.read(topic, from, ReadLimit::records(1_000)).await?;
        let Some(last) = read.records.last() else { return Ok(all) };
        from = last.offset.next();
        all.extend(read.records);
    }
}

/// What `DISPATCH_PROOF` multiplies the rounds with.
pub(crate) fn proof() -> usize {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}
