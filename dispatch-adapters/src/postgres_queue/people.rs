//! What people ask and do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use async_trait::async_trait;
use dispatch_core::messenger::{MessageType, Name};
use dispatch_core::queue::{Depth, Filter, MessageState, Page, QueueError, StoredBody, StoredMessage};
use serde_json::Map;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::error::Step;
use super::row::{self, COLUMNS};
use super::shape::storable;
use super::store::{Job, Store, Value};
use crate::queue_row;

/// Rows that are removed in one transaction.
pub(super) const TOGETHER: usize = 500;

/// How many messages there are, in one queue or in each of the transport that has any.
pub(super) struct CountAll<'a>(pub(super) Option<&'a Name>);

#[async_trait]
impl Job for CountAll<'_> {
    type Answer = BTreeMap<String, Depth>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        // One look at each state, each through the index of that state, whichever queues there are.
        let look = |condition: &str| {
            format!(
                "SELECT queue, '{condition}', count(*), count(*) FILTER (WHERE due <= {{now}}), min(due) \
                 FROM {{s}}dispatch_message WHERE transport = $1 AND {condition} \
                 AND ($3::text IS NULL OR queue = $3) GROUP BY queue"
            )
        };
        let text = [READY, WAITING, LEASED, FAILED, DONE].map(look).join(" UNION ALL ");
        let queue = self.0.map(Name::as_str);
        let mut depths = BTreeMap::new();
        for row in store.rows(&text, &[(&queue, Type::TEXT)]).await? {
            let of = |column: usize| -> Step<u64> {
                Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
            };
            let depth: &mut Depth = depths.entry(row.try_get(0)?).or_default();
            let counted = of(2)?;
            match row.try_get(1)? {
                READY => {
                    depth.ready = of(3)?;
                    depth.scheduled = counted - depth.ready;
                    let oldest = row.try_get::<_, Option<i64>>(4)?;
                    depth.oldest_ready = oldest.filter(|_| depth.ready > 0).map(queue_row::time);
                }
                WAITING => depth.waiting = counted,
                LEASED => depth.leased = counted,
                FAILED => depth.failed = counted,
                _ => depth.done = counted,
            }
        }
        Ok(depths)
    }
}

const READY: &str = "state = 1";
const WAITING: &str = "state = 0 AND lane IS NOT NULL";
const LEASED: &str = "state = 2";
const FAILED: &str = "state = 5";
const DONE: &str = "state IN (3, 4)";

/// Every queue of the transport, sorted, and whether it is paused.
pub(super) struct Queues;

#[async_trait]
impl Job for Queues {
    type Answer = Vec<(Name, bool)>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let text = "SELECT q.name, EXISTS (SELECT FROM {s}dispatch_paused p WHERE p.transport = $1 AND p.name = q.name) \
                    FROM {s}dispatch_queue q WHERE q.transport = $1 GROUP BY q.name ORDER BY q.name";
        let mut queues = Vec::new();
        for row in store.rows(text, &[]).await? {
            let (name, paused): (&str, bool) = (row.try_get(0)?, row.try_get(1)?);
            queues.extend(Name::new(name).ok().map(|name| (name, paused)));
        }
        Ok(queues)
    }
}

/// Pauses a queue, or lets it go on.
pub(super) struct SetPaused<'a>(pub(super) &'a Name, pub(super) bool);

#[async_trait]
impl Job for SetPaused<'_> {
    type Answer = ();

    async fn run(&self, store: &mut Store<'_>) -> Step<()> {
        let Self(name, paused) = self;
        let named = "INSERT INTO {s}dispatch_queue (transport, name) SELECT $1, $3 WHERE NOT EXISTS \
                     (SELECT FROM {s}dispatch_queue WHERE transport = $1 AND name = $3)";
        let text = if *paused {
            "INSERT INTO {s}dispatch_paused (transport, name) VALUES ($1, $3) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM {s}dispatch_paused WHERE transport = $1 AND name = $3"
        };
        for text in [named, text] {
            store.once(text, &[(&name.as_str(), Type::TEXT)]).await?;
        }
        store.woken |= !self.1;
        Ok(())
    }
}

/// One message.
pub(super) struct Find(pub(super) Uuid);

#[async_trait]
impl Job for Find {
    type Answer = Option<StoredMessage>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let text =
            format!("SELECT {COLUMNS} FROM {{s}}dispatch_message m WHERE m.transport = $1 AND m.id = $3");
        let rows = store.rows(&text, &[(&self.0, Type::UUID)]).await?;
        Ok(rows.first().map(|row| row::read(row, 0)).transpose()?.map(|found| found.stored))
    }
}

/// Messages in the order of their ids.
pub(super) struct List<'a>(pub(super) &'a Filter, pub(super) Page);

#[async_trait]
impl Job for List<'_> {
    type Answer = Vec<StoredMessage>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let rows = store.meant(COLUMNS, self.0, self.1).await?;
        rows.iter().map(|row| Ok(row::read(row, 0)?.stored)).collect()
    }
}

/// Their ids, whatever their bodies are.
pub(super) struct ListIds<'a>(pub(super) &'a Filter, pub(super) Page);

#[async_trait]
impl Job for ListIds<'_> {
    type Answer = Vec<Uuid>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let rows = store.meant("m.id", self.0, self.1).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

impl Store<'_> {
    /// Columns of the messages that a filter means, in the order of their ids.
    async fn meant(&self, columns: &str, filter: &Filter, page: Page) -> Step<Vec<Row>> {
        let mut text = format!("SELECT {columns} FROM {{s}}dispatch_message m WHERE m.transport = $1");
        let queue = filter.queue.as_ref().map(Name::as_str);
        let kind = filter.message_type.as_ref().map(MessageType::as_str);
        let group = filter.error_group.as_ref().map(|group| storable(group.as_str()));
        let (from, before) =
            (filter.settled_from.map(queue_row::millis), filter.settled_before.map(queue_row::millis));
        let most = i64::try_from(page.max).unwrap_or(i64::MAX);
        let mut values: Vec<Value<'_>> = vec![(&most, Type::INT8)];
        states(&filter.states, &mut text);
        if queue.is_some() {
            also(&mut text, &mut values, "m.queue =", (&queue, Type::TEXT));
        }
        if kind.is_some() {
            also(&mut text, &mut values, "m.type =", (&kind, Type::TEXT));
        }
        if group.is_some() {
            also(&mut text, &mut values, "m.error_group =", (&group, Type::TEXT));
        }
        if from.is_some() {
            also(&mut text, &mut values, "m.settled >=", (&from, Type::INT8));
        }
        if before.is_some() {
            also(&mut text, &mut values, "m.settled <", (&before, Type::INT8));
        }
        if page.after.is_some() {
            also(&mut text, &mut values, "m.id >", (&page.after, Type::UUID));
        }
        text.push_str(" ORDER BY m.id LIMIT $3");
        self.rows(&text, &values).await
    }
}

/// The states as numbers in the text, so that the index of a state can be used.
fn states(states: &[MessageState], text: &mut String) {
    if !states.is_empty() {
        let states: Vec<_> = states.iter().map(|state| queue_row::state(*state).to_string()).collect();
        let wanted = states.join(", ");
        // Writing to a string does not fail.
        let _ = match states.as_slice() {
            [one] => write!(text, " AND m.state = {one}"),
            _ => write!(text, " AND m.state IN ({wanted})"),
        };
    }
}

/// One more condition, with a value.
fn also<'a>(text: &mut String, values: &mut Vec<Value<'a>>, condition: &str, value: Value<'a>) {
    values.push(value);
    // After the transport and the time; writing to a string does not fail.
    let _ = write!(text, " AND {condition} ${}", values.len() + 2);
}

/// Makes a failed message ready again; `false` if it is not there or has not failed.
pub(super) struct Replay<'a> {
    pub(super) id: Uuid,
    pub(super) payload: Option<&'a Map<String, serde_json::Value>>,
    pub(super) at: Option<SystemTime>,
    pub(super) max_bytes: usize,
}

#[async_trait]
impl Job for Replay<'_> {
    type Answer = bool;

    async fn run(&self, store: &mut Store<'_>) -> Step<bool> {
        let lanes = store.lanes_of(&[self.id]).await?;
        store.lock_lanes(&lanes).await?;
        let text = format!(
            "SELECT {COLUMNS} FROM {{s}}dispatch_message m WHERE m.transport = $1 AND m.id = $3 AND m.state = 5 FOR UPDATE"
        );
        let rows = store.once(&text, &[(&self.id, Type::UUID)]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let StoredBody::Message(message) = row::read(row, 0)?.stored.body else {
            let what =
                "what is stored of it cannot be read: dispatch what it should have been, and cancel it";
            return Err(QueueError::NotStorable { what: what.to_owned() }.into());
        };
        if let Some(payload) = self.payload {
            let mut message = (*message).clone();
            message.payload = payload.clone();
            let body = queue_row::body(&message, self.max_bytes)?;
            let sum = queue_row::body_sum(self.id, &body);
            // Those that have succeeded have seen another payload.
            let text = "UPDATE {s}dispatch_message SET body = $4, sum = $5, succeeded = NULL \
                        WHERE transport = $1 AND id = $3";
            store.once(text, &[(&self.id, Type::UUID), (&body, Type::BYTEA), (&sum, Type::INT8)]).await?;
        }
        let at = self.at.map(queue_row::millis);
        let text = "UPDATE {s}dispatch_message SET state = CASE WHEN lane IS NULL THEN 1 ELSE 0 END, \
                    series = series + 1, attempts = 0, due = coalesce($4, {now}), settled = NULL, \
                    error_group = NULL WHERE transport = $1 AND id = $3";
        store.once(text, &[(&self.id, Type::UUID), (&at, Type::INT8)]).await?;
        store.woken |= lanes.is_empty();
        store.rebalance(&lanes).await?;
        Ok(true)
    }
}

/// Removes messages that nobody works on, and forgets their keys; how many there were.
pub(super) struct Cancel<'a>(pub(super) &'a [Uuid]);

#[async_trait]
impl Job for Cancel<'_> {
    type Answer = u64;

    async fn run(&self, store: &mut Store<'_>) -> Step<u64> {
        let lanes = store.lanes_of(self.0).await?;
        store.lock_lanes(&lanes).await?;
        let text = "
            WITH gone AS MATERIALIZED (
                DELETE FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3) AND state <> 2 RETURNING id, key
            ), forgotten AS (
                DELETE FROM {s}dispatch_key k USING gone g
                WHERE k.transport = $1 AND k.key = ANY(ARRAY(SELECT key FROM gone)) AND k.key = g.key
                    AND k.message = g.id
            )
            SELECT count(*) FROM gone";
        let rows = store.rows(text, &[(&self.0, Type::UUID_ARRAY)]).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        store.rebalance(&lanes).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Removes some keys whose time is over, and some messages that were kept for long enough; whether there may be more.
pub(super) struct Sweep;

#[async_trait]
impl Job for Sweep {
    type Answer = bool;

    async fn run(&self, store: &mut Store<'_>) -> Step<bool> {
        let keys = "WITH over AS (SELECT key FROM {s}dispatch_key WHERE transport = $1 AND until IS NOT NULL \
                    AND until <= {now} ORDER BY until LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    DELETE FROM {s}dispatch_key k WHERE k.transport = $1 \
                    AND k.key = ANY(ARRAY(SELECT key FROM over)) RETURNING 1";
        let kept = "WITH over AS (SELECT id FROM {s}dispatch_message WHERE transport = $1 AND state IN (3, 4) \
                    AND settled <= {now} - $4 ORDER BY settled LIMIT $3 FOR UPDATE SKIP LOCKED) \
                    DELETE FROM {s}dispatch_message m WHERE m.transport = $1 \
                    AND m.id = ANY(ARRAY(SELECT id FROM over)) RETURNING 1";
        let most = i64::try_from(TOGETHER).unwrap_or(i64::MAX);
        let keys = store.rows(keys, &[(&most, Type::INT8)]).await?.len();
        let values: [Value<'_>; 2] = [(&most, Type::INT8), (&store.shape.keep_done, Type::INT8)];
        let kept = store.rows(kept, &values).await?.len();
        Ok(keys == TOGETHER || kept == TOGETHER)
    }
}
