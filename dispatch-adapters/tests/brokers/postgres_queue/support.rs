use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::model::messenger::{DispatchOptions, Message, MessengerConfig, QueuedMessage};
use dispatch_adapters::model::queue::conformance::SuiteClock;
use dispatch_adapters::model::queue::{Claim, Claimed, MessageQueue, Settlement, Submission, WorkerId};
use dispatch_adapters::postgres_queue::{PostgresQueue, PostgresQueueOptions};
use serde_json::json;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::support::{server, unique};

/// What `DISPATCH_PROOF` multiplies the rounds with.
pub(crate) fn proof() -> u64 {
    std::env::var("DISPATCH_PROOF").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A schema of its own for a test, with an awkward name.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) schema: String,
}

impl Place {
    /// A place that is not there yet, or `None` without a server.
    pub(crate) fn find() -> Option<Self> {
        let url = server("DISPATCH_POSTGRES_URL")?;
        Some(Self { url, schema: unique("It's a \"q\" ") })
    }

    pub(crate) fn options(&self) -> PostgresQueueOptions {
        PostgresQueueOptions::new(self.url.as_str())
            .with_transport("jobs")
            .with_schema(&self.schema)
            .migrating()
    }

    /// With a clock that stands still.
    pub(crate) fn clocked(&self, clock: &SuiteClock) -> PostgresQueueOptions {
        self.options().with_clock(Arc::new(clock.clone()))
    }

    pub(crate) async fn open(&self) -> PostgresQueue {
        PostgresQueue::open(self.options()).await.unwrap()
    }

    /// A connection of one's own.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A table as it is written in a statement.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("\"{}\".{name}", self.schema.replace('"', "\"\""))
    }

    /// Does something, and removes what is left of it, whatever comes of it.
    pub(crate) async fn run(test: impl AsyncFnOnce(&Self)) {
        let Some(place) = Self::find() else { return };
        let done = std::panic::AssertUnwindSafe(test(&place));
        let done = futures_util::FutureExt::catch_unwind(done).await;
        let schema = place.schema.replace('"', "\"\"");
        let dropped = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        place.client().await.batch_execute(&dropped).await.unwrap();
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A message, due at once by the clock of the server.
pub(crate) fn message(options: &DispatchOptions) -> QueuedMessage {
    let text = "default_transport = 'jobs'\n[transports.jobs]\ntype = 'postgres'";
    let routing = MessengerConfig::from_toml(text).unwrap().check().unwrap();
    let message = Message::new("SendMail", &json!({ "to": "ann@example.com" })).unwrap();
    let now = std::time::SystemTime::now() - Duration::from_secs(1);
    routing.plan(&message, options, now, Uuid::now_v7).unwrap().remove(0)
}

/// Stores a message; its id.
pub(crate) async fn put(queue: &PostgresQueue) -> Uuid {
    let message = message(&DispatchOptions::default());
    let id = message.id;
    queue.enqueue(vec![Submission::new(message)]).await.unwrap().remove(0).unwrap();
    id
}

/// Who claims how many for how long from the queue that messages are in.
pub(crate) fn claims(worker: &str, max: usize, lease: Duration) -> Claim {
    Claim { worker: WorkerId::new(worker), queues: vec!["default".parse().unwrap()], max, lease }
}

/// Claims for a minute.
pub(crate) async fn claim(queue: &PostgresQueue, worker: &str, max: usize) -> Claimed {
    queue.claim(&claims(worker, max, Duration::from_secs(60))).await.unwrap()
}

/// The word that everything is done.
pub(crate) fn done(claimed: Claimed) -> Vec<Settlement> {
    claimed.messages.into_iter().map(|leased| Settlement::done(leased.token)).collect()
}
