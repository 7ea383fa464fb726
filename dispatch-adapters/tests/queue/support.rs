use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::model::log::SyncPolicy;
use dispatch_adapters::model::messenger::{DispatchOptions, Message, MessengerConfig, QueuedMessage};
use dispatch_adapters::model::queue::conformance::SuiteClock;
use dispatch_adapters::model::queue::{Claim, Claimed, MessageQueue, QueueLimits, Submission, WorkerId};
use dispatch_adapters::model::time::Clock;
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

/// What `DISPATCH_PROOF` multiplies the rounds with.
pub(crate) fn proof() -> u64 {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A queue in a folder, on a clock that stands still.
pub(crate) fn options(folder: &TempDir, clock: &SuiteClock) -> SqliteQueueOptions {
    SqliteQueueOptions::new(folder.path().join("queue.db"))
        .with_transport("embedded")
        .with_clock(Arc::new(clock.clone()))
}

/// Limits, and the options of a queue with them that does not wait for the disk.
pub(crate) fn limited(
    folder: &TempDir,
    clock: &SuiteClock,
    per_key: usize,
    keep_done: Duration,
) -> (QueueLimits, SqliteQueueOptions) {
    let limits = QueueLimits { per_key, keep_done, ..QueueLimits::default() };
    let options = options(folder, clock).with_per_key(per_key).keeping_done(keep_done);
    (limits, options.with_sync(SyncPolicy::Os))
}

/// An open queue on a clock that stands still.
pub(crate) async fn open(folder: &TempDir) -> SqliteQueue {
    SqliteQueue::open(options(folder, &SuiteClock::new())).await.unwrap()
}

/// A message for a transport, due at once.
pub(crate) fn message(transport: &str, payload: &serde_json::Value) -> QueuedMessage {
    let text = format!("default_transport = '{transport}'\n[transports.{transport}]\ntype = 'embedded'");
    let routing = MessengerConfig::from_toml(&text).unwrap().check().unwrap();
    let message = Message::new("SendMail", payload).unwrap();
    let now = SuiteClock::new().now() - Duration::from_secs(1);
    routing.plan(&message, &DispatchOptions::default(), now, Uuid::now_v7).unwrap().remove(0)
}

/// Stores a message; its id.
pub(crate) async fn put(queue: &SqliteQueue) -> Uuid {
    let message = message(queue.name(), &json!({ "to": "ann@example.com" }));
    let id = message.id;
    queue.enqueue(vec![Submission::new(message)]).await.unwrap().remove(0).unwrap();
    id
}

/// Claims from the queue that messages are in.
pub(crate) async fn claim(queue: &SqliteQueue, worker: &str, max: usize) -> Claimed {
    let queues = vec!["default".parse().unwrap()];
    let claim = Claim { worker: WorkerId::new(worker), queues, max, lease: Duration::from_secs(60) };
    queue.claim(&claim).await.unwrap()
}

/// The file of a queue, for a connection of one's own.
pub(crate) fn file(folder: &TempDir) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(folder.path().join("queue.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}
