//! Rows of new messages.

use dispatch_core::messenger::{IdempotencyKey, QueuedMessage};
use dispatch_core::queue::QueueError;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::Step;
use super::store::{Store, Value};
use crate::queue_row;

/// Most bytes of bodies that go to the server in one statement, as far as messages are not larger.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;
/// Most messages that go to the server in one statement.
const TOGETHER: usize = 1_000;

/// Messages that are there already are left as they are.
const INSERT: &str = "
    WITH sent AS MATERIALIZED (
        SELECT * FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            s (id, queue, type, state, priority, due, expires, lane, key, sum, body)
    ), named AS (
        INSERT INTO {s}dispatch_queue (transport, name) SELECT DISTINCT $1, queue FROM sent
        WHERE NOT EXISTS (SELECT FROM {s}dispatch_queue q WHERE q.transport = $1 AND q.name = sent.queue)
    ), put AS (
        INSERT INTO {s}dispatch_message
            (transport, id, queue, type, state, priority, due, expires, lane, key, sum, body)
        SELECT $1, id, queue, type, state, priority, due, expires, lane, key, sum, body FROM sent
        ON CONFLICT DO NOTHING
    )
    SELECT CASE WHEN $14 THEN pg_notify($15, $16) END";

/// A message on its way into the table.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) message: &'a QueuedMessage,
    pub(super) body: &'a [u8],
}

/// Whether a message may be stored: the server takes no text with a character zero.
pub(super) fn check(message: &QueuedMessage) -> Result<(), QueueError> {
    match &message.idempotency_key {
        Some(key) if key.as_str().contains('\0') => Err(QueueError::NotStorable {
            what: "its idempotency key has a character zero, which PostgreSQL does not take: use another key"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

impl Store<'_> {
    /// Stores messages, those with a lane behind all others of it, and says so to whoever listens if they are ready.
    pub(super) async fn insert(&mut self, sent: &[Sent<'_>]) -> Step<()> {
        let mut rest = sent;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |one: &&Sent<'_>| {
                bytes += one.body.len();
                bytes <= TOGETHER_BYTES
            };
            let count = rest.iter().take(TOGETHER).take_while(fits).count().max(1);
            let (together, more) = rest.split_at(count);
            self.insert_some(together).await?;
            rest = more;
        }
        Ok(())
    }

    async fn insert_some(&mut self, sent: &[Sent<'_>]) -> Step<()> {
        let of = || sent.iter().map(|one| one.message);
        let ids: Vec<Uuid> = of().map(|message| message.id).collect();
        let queues: Vec<&str> = of().map(|message| message.queue.as_str()).collect();
        let types: Vec<&str> = of().map(|message| message.message_type.as_str()).collect();
        let lanes: Vec<Option<i64>> =
            of().map(|message| message.ordering_key.as_deref().map(|key| self.shape.lane(key))).collect();
        let states: Vec<i16> = lanes.iter().map(|lane| i16::from(lane.is_none())).collect();
        let priorities: Vec<i16> = of().map(|message| i16::from(message.priority.get())).collect();
        let due: Vec<i64> = of().map(|message| queue_row::millis(message.available_at)).collect();
        let expires: Vec<Option<i64>> =
            of().map(|message| message.expires_at.map(queue_row::millis)).collect();
        let keys: Vec<Option<&str>> =
            of().map(|message| message.idempotency_key.as_ref().map(IdempotencyKey::as_str)).collect();
        let sums: Vec<i64> = sent.iter().map(|one| queue_row::body_sum(one.message.id, one.body)).collect();
        let bodies: Vec<&[u8]> = sent.iter().map(|one| one.body).collect();
        // Those with a lane are not ready yet.
        let ready = lanes.iter().any(Option::is_none);
        let values: [Value<'_>; 14] = [
            (&ids, Type::UUID_ARRAY),
            (&queues, Type::TEXT_ARRAY),
            (&types, Type::TEXT_ARRAY),
            (&states, Type::INT2_ARRAY),
            (&priorities, Type::INT2_ARRAY),
            (&due, Type::INT8_ARRAY),
            (&expires, Type::INT8_ARRAY),
            (&lanes, Type::INT8_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&sums, Type::INT8_ARRAY),
            (&bodies, Type::BYTEA_ARRAY),
            (&ready, Type::BOOL),
            (&self.shape.channel, Type::TEXT),
            (&self.shape.sender, Type::TEXT),
        ];
        self.rows(INSERT, &values).await?;
        self.told |= ready;
        Ok(())
    }
}
