//! The queues of the built-in types, from their options.

use std::sync::Arc;

use dispatch_actors::Engine;
use dispatch_actors::messenger::InlineQueue;
use dispatch_core::ErrorCode;
use dispatch_core::queue::{MemoryQueue, MessageQueue, QueueLimits};

use super::Opening;
use crate::config::Fields;

/// A queue that needs no opening.
pub(super) fn ready(queue: impl MessageQueue) -> Opening {
    let queue: Arc<dyn MessageQueue> = Arc::new(queue);
    Box::pin(async move { Ok(queue) })
}

/// `memory`.
pub(super) fn memory(name: &str, fields: &mut Fields<'_>) -> Opening {
    let default = QueueLimits::default();
    let limits = QueueLimits {
        per_key: at_least_one(fields, "per_key", default.per_key),
        keep_done: fields.millis("keep_done_ms", default.keep_done),
        max_messages: at_least_one(fields, "max_messages", default.max_messages),
    };
    ready(MemoryQueue::new(name).with_limits(limits))
}

/// `sync`.
pub(super) fn sync(name: &str, engine: Option<&Engine>) -> Opening {
    ready(match engine {
        Some(engine) => InlineQueue::new(name, engine.clone()),
        None => InlineQueue::idle(name),
    })
}

fn at_least_one(fields: &mut Fields<'_>, name: &str, default: usize) -> usize {
    let given = fields.or(name, default);
    if given == 0 {
        fields.refuse(ErrorCode::InvalidParameter, &format!("option '{name}' is 0: use at least 1"));
    }
    given
}

/// `postgres`.
#[cfg(feature = "postgres")]
pub(super) fn postgres(name: &str, fields: &mut Fields<'_>) -> Opening {
    use crate::postgres_queue::{PostgresQueue, PostgresQueueOptions};
    use crate::wire::ServerUrl;

    // One that is missing has been said; nothing is opened then.
    let url = fields.needed::<ServerUrl>("url").unwrap_or_else(|| "postgres://127.0.0.1".into());
    let mut options = PostgresQueueOptions::new(url).with_transport(name);
    options.tls = fields.or("tls", options.tls);
    options.schema = fields.or("schema", options.schema);
    options.per_key = fields.or("per_key", options.per_key);
    options.keep_done = fields.millis("keep_done_ms", options.keep_done);
    options.max_message_bytes = fields.or("max_message_bytes", options.max_message_bytes);
    options.connections = fields.or("connections", options.connections);
    options.timeout = fields.millis("timeout_ms", options.timeout);
    options.migrate = fields.or("migrate", options.migrate);
    fields.refuse_all(options.problems());
    Box::pin(async move { Ok(Arc::new(PostgresQueue::open(options).await?) as _) })
}

#[cfg(feature = "sqlite")]
pub(super) use embedded::Files;

#[cfg(feature = "sqlite")]
mod embedded {
    use std::collections::HashMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use dispatch_core::log::SyncPolicy;
    use serde::Deserialize;
    use tokio::sync::Mutex;

    use super::{Arc, ErrorCode, Fields, Opening, at_least_one};
    use crate::sqlite_queue::{SqliteQueue, SqliteQueueOptions};

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Sync {
        #[default]
        Always,
        Os,
    }

    /// The files that were opened: transports of the same options share a writer, and so its commits.
    #[derive(Default, Clone)]
    pub(in crate::messenger) struct Files(Arc<Mutex<HashMap<String, SqliteQueue>>>);

    impl Files {
        /// `embedded`.
        pub(in crate::messenger) fn queue(
            &self,
            name: &str,
            folder: &std::path::Path,
            fields: &mut Fields<'_>,
        ) -> Opening {
            let path = folder.join(fields.or("path", PathBuf::from("queue.db")));
            let sync = match fields.choice("sync", &["always", "os"]) {
                Sync::Always => SyncPolicy::Always,
                Sync::Os => SyncPolicy::Os,
            };
            let default = SqliteQueueOptions::new(&path);
            let mut options = SqliteQueueOptions::new(path)
                .with_transport("shared")
                .with_sync(sync)
                .with_per_key(at_least_one(fields, "per_key", default.per_key))
                .keeping_done(fields.millis("keep_done_ms", Duration::ZERO))
                .with_max_message_bytes(at_least_one(fields, "max_message_bytes", default.max_message_bytes));
            options.max_bytes = fields.optional("max_bytes");
            if options.max_bytes == Some(0) {
                let text = "option 'max_bytes' is 0, so nothing would fit: use more, or leave it out";
                fields.refuse(ErrorCode::InvalidParameter, text);
            }
            let (files, name) = (Arc::clone(&self.0), name.to_owned());
            Box::pin(async move {
                // Opened one after the other, so that the second finds what the first has opened.
                let mut files = files.lock().await;
                let kind = format!("{options:?}");
                let opened = match files.get(&kind) {
                    Some(opened) => opened.clone(),
                    None => {
                        let opened = SqliteQueue::open(options).await?;
                        files.insert(kind, opened.clone());
                        opened
                    }
                };
                Ok(Arc::new(opened.transport(&name)?) as _)
            })
        }
    }
}
