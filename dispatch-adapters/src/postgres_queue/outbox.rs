//! Messages that are stored in a transaction of the caller's: either both happen, what the caller writes and the
//! message, or neither.
//!
//! ```no_run
//! use dispatch_adapters::model::queue::Submission;
//! use dispatch_adapters::postgres_queue::{PostgresQueueOptions, outbox};
//! use tokio_postgres::Client;
//!
//! # async fn example(client: &mut Client, options: &PostgresQueueOptions, submission: Submission) -> Result<(), Box<dyn std::error::Error>> {
//! let transaction = client.transaction().await?;
//! transaction.execute("INSERT INTO orders (id) VALUES (7)", &[]).await?;
//! outbox::enqueue(&transaction, options, &[submission]).await?.remove(0)?;
//! transaction.commit().await?; // both, and workers are woken
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;

use dispatch_core::queue::{Enqueued, QueueError, Submission};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};
use uuid::Uuid;

use super::enqueue::Enqueue;
use super::error::{Broken, Step};
use super::shape::Shape;
use super::store::{Job as _, Store};
use super::{PostgresQueueOptions, bodies};

/// Stores messages in the transaction that a connection is in. They are there for workers once it is committed, and
/// never if it is not.
///
/// The transport is that of each message, and the rest of what matters here is in `options`: those of the
/// [`PostgresQueue`](super::PostgresQueue) that takes them out. The URL is not used. The tables have to be in the
/// database of the connection.
///
/// Others that send the same idempotency key or the same ordering key wait until the transaction ends, so end it soon.
///
/// # Errors
/// - [`QueueError::Unsupported`] outside of a transaction, and for messages with an idempotency key or an ordering key
///   in one that is not `READ COMMITTED`.
/// - What the server says; then the transaction has to be rolled back. Messages fail apart from each other, as with
///   [`enqueue`](dispatch_core::queue::MessageQueue::enqueue).
pub async fn enqueue(
    client: &impl GenericClient,
    options: &PostgresQueueOptions,
    submissions: &[Submission],
) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
    let stored = store(client.client(), options, submissions).await;
    stored.map_err(|broken| broken.into_error("the server"))
}

async fn store(
    client: &Client,
    options: &PostgresQueueOptions,
    submissions: &[Submission],
) -> Step<Vec<Result<Enqueued, QueueError>>> {
    check(client, submissions).await?;
    let mut transports: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, submission) in submissions.iter().enumerate() {
        transports.entry(submission.message.transport.as_str()).or_default().push(place);
    }
    let mut answers = BTreeMap::new();
    for (transport, places) in transports {
        let shape = Shape::of(options, transport);
        let now = shape.now();
        let mut store = Store { client, statements: None, shape: &shape, now, woken: false, told: false };
        let together: Vec<_> = places.iter().filter_map(|place| submissions.get(*place).cloned()).collect();
        let bodies = bodies(&together, options.max_message_bytes);
        let stored = Enqueue { submissions: &together, bodies: &bodies }.run(&mut store).await?;
        store.tell().await?;
        answers.extend(places.into_iter().zip(stored));
    }
    Ok(answers.into_values().collect())
}

/// Refuses a connection that is in no transaction, or in one that does not see what others have done meanwhile.
async fn check(client: &Client, submissions: &[Submission]) -> Step<()> {
    let mark = Uuid::new_v4().simple().to_string();
    let text = "SELECT set_config('dispatch.outbox', $1, true), current_setting('transaction_isolation')";
    let rows = client.query_typed(text, &[(&mark, Type::TEXT)]).await?;
    let isolation: String = rows.first().map_or(Ok(String::new()), |row| row.try_get(1))?;
    // What is set for a transaction is gone if each statement is one of its own.
    let rows = client.query_typed("SELECT current_setting('dispatch.outbox', true)", &[]).await?;
    let found: Option<String> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    let refused = |what| Err(Broken::Known(QueueError::Unsupported { what }));
    if found != Some(mark) {
        return refused(
            "the connection is in no transaction: begin one, write what belongs together, and commit it",
        );
    }
    let apart = |submission: &Submission| {
        submission.message.idempotency_key.is_some() || submission.message.ordering_key.is_some()
    };
    if isolation != "read committed" && submissions.iter().any(apart) {
        return refused(
            "messages with an idempotency key or an ordering key need a transaction that is read committed: \
             begin one of that isolation",
        );
    }
    Ok(())
}
