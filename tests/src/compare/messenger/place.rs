//! Where messages are stored: each time in a place that nobody has used before.

use std::sync::Arc;

use dispatch_actors::Engine;
use dispatch_actors::messenger::Messenger;
use dispatch_adapters::model::Category;
use dispatch_adapters::model::messenger::{DispatchOptions, Message, WorkerConfig};
use dispatch_adapters::model::queue::{MemoryQueue, MessageQueue};
use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
use dispatch_adapters::prelude::{Envelope, Route, on_command};
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use serde_json::json;
use tempfile::TempDir;

use super::postgres::{Server, Tables};
use super::{BYTES, IN_HAND};

/// A store, and what has to be there for as long.
pub(super) enum Place {
    Memory,
    /// A file on a disk; `TMPDIR` says where.
    File(TempDir),
    Tables(Tables),
}

impl Place {
    pub(super) fn file() -> Self {
        let folder = tempfile::Builder::new().prefix("dispatch-compare-").tempdir();
        Self::File(folder.expect("a folder can be made"))
    }

    pub(super) fn tables(server: &Server) -> Self {
        Self::Tables(server.tables())
    }

    pub(super) async fn queue(&self) -> Arc<dyn MessageQueue> {
        match self {
            Self::Memory => Arc::new(MemoryQueue::new("default")),
            Self::File(folder) => {
                let options = SqliteQueueOptions::new(folder.path().join("queue.db"));
                Arc::new(SqliteQueue::open(options).await.expect("the file opens"))
            }
            Self::Tables(tables) => {
                let options =
                    PostgresQueueOptions::new(tables.url()).with_schema(tables.schema()).migrating();
                Arc::new(PostgresQueue::open(options).await.expect("the server answers"))
            }
        }
    }

    pub(super) async fn messenger(&self) -> Messenger {
        let builder = Messenger::builder().shared_transport("default", self.queue().await);
        builder.build().expect("one transport is enough")
    }
}

/// A message with a payload of so many bytes.
pub(super) fn message() -> Message {
    let text = "x".repeat(BYTES - r#"{"data":""}"#.len());
    Message::new("Noop", &json!({ "data": text })).expect("the message is valid")
}

/// Sends messages in calls of so many, one call after the other.
pub(super) async fn send(messenger: &Messenger, messages: u64, together: usize, options: &DispatchOptions) {
    let message = message();
    let mut left = usize::try_from(messages).expect("it is small");
    while left > 0 {
        let now = left.min(together);
        let sent = messenger.dispatch_batch(std::iter::repeat_n((message.clone(), options.clone()), now));
        assert_eq!(sent.await.failed(), 0, "the store has room");
        left -= now;
    }
}

/// An engine whose only handler tells what it is told to, and does nothing else.
pub(super) fn engine(told: impl Fn() + Send + Sync + 'static) -> Engine {
    let handler = on_command("noop").run(move |message: Envelope| {
        std::hint::black_box(message);
        told();
        std::future::ready(Ok::<_, std::io::Error>(()))
    });
    let route = Route::new("all", "messenger.**", Category::Command, "noop");
    Engine::builder().dispatcher(handler).route(route).freeze().expect("the engine starts")
}

/// A worker that ends after so many messages.
pub(super) fn worker(messages: u64) -> WorkerConfig {
    WorkerConfig {
        concurrency: IN_HAND,
        prefetch: IN_HAND,
        max_messages: Some(messages),
        ..WorkerConfig::default()
    }
}
