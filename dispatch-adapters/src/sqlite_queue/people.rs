//! What people ask and do.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use dispatch_core::messenger::Name;
use dispatch_core::queue::{Depth, Filter, Page, QueueError, StoredBody, StoredMessage};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};
use serde_json::Map;
use uuid::Uuid;

use super::row::{self, COLUMNS, Found};
use super::store::Store;

/// How many messages are removed at once by a purge.
const TOGETHER: usize = 500;

impl Store<'_> {
    /// How many messages there are, in one queue or in all of the transport.
    pub(super) fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        let mut depth = Depth::default();
        let wanted = |name: &Name| queue.is_none_or(|queue| queue == name);
        self.depths()?.iter().filter(|(name, ..)| wanted(name)).for_each(|(_, _, own)| depth += *own);
        Ok(depth)
    }

    /// Every queue of the transport: whether it is paused, and how many messages it has.
    ///
    /// Each state is walked through once, by its index, whichever queues there are: of those that were kept there may be
    /// very many.
    pub(super) fn depths(&self) -> Result<Vec<(Name, bool, Depth)>, QueueError> {
        let waiting = self.by_queue("lane IS NOT NULL AND state = 0")?;
        let leased = self.by_queue("state = 2")?;
        let failed = self.by_queue("state = 5")?;
        let done = self.by_queue("state IN (3, 4)")?;
        let of = |counted: &HashMap<i64, u64>, queue| counted.get(&queue).copied().unwrap_or_default();
        let mut depths = Vec::new();
        for (name, (queue, is_paused)) in self.queues()? {
            let Ok(name) = Name::new(&name) else { continue };
            let mut depth = self.begun_by_nobody(queue)?;
            (depth.waiting, depth.leased) = (of(&waiting, queue), of(&leased, queue));
            (depth.failed, depth.done) = (of(&failed, queue), of(&done, queue));
            depths.push((name, is_paused, depth));
        }
        Ok(depths)
    }

    /// How many messages there are of a state, by the numbers of their queues.
    fn by_queue(&self, condition: &str) -> Result<HashMap<i64, u64>, QueueError> {
        let sql = format!("SELECT queue, count(*) FROM dispatch_message WHERE {condition} GROUP BY queue");
        let counted = self.all(&sql, (), |row| Ok((row.get(0)?, count(row.get(1)?))))?;
        Ok(counted.into_iter().collect())
    }

    /// Those of a queue that are ready, or will be.
    fn begun_by_nobody(&self, queue: i64) -> Result<Depth, QueueError> {
        let mut depth = Depth::default();
        for priority in 1..=10 {
            let sql = "SELECT count(*), min(due), count(*) FILTER (WHERE due <= ?1) FROM dispatch_message \
                       WHERE queue = ?2 AND priority = ?3 AND state = 1";
            let found = self.first(sql, (self.now, queue, priority), |row| {
                Ok((count(row.get(0)?), row.get::<_, Option<i64>>(1)?, count(row.get(2)?)))
            })?;
            let Some((all, oldest, due)) = found else { continue };
            depth.ready += due;
            depth.scheduled += all - due;
            let oldest = oldest.filter(|_| due > 0).map(row::time);
            depth.oldest_ready = depth.oldest_ready.into_iter().chain(oldest).min();
        }
        Ok(depth)
    }

    /// Messages in the order of their ids.
    pub(super) fn list(&self, filter: &Filter, page: Page) -> Result<Vec<Found>, QueueError> {
        self.meant(COLUMNS, filter, page, row::read)
    }

    /// Columns of the messages that a filter means, in the order of their ids.
    fn meant<T>(
        &self,
        columns: &str,
        filter: &Filter,
        page: Page,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, QueueError> {
        let mut sql = format!(
            // In this order, so that an index gives the order of ids.
            "SELECT {columns} FROM dispatch_message m CROSS JOIN dispatch_queue q ON q.id = m.queue \
             CROSS JOIN dispatch_transport t ON t.id = q.transport WHERE t.name = ?"
        );
        let mut values = vec![Value::Text(self.transport.to_owned())];
        let mut add = |condition: &str, value: Option<Value>| {
            // Writing to a string does not fail.
            let _ = write!(sql, " AND {condition}");
            values.extend(value);
        };
        if !filter.states.is_empty() {
            // As numbers in the text, so that the index of a state can be used.
            let states: Vec<_> = filter.states.iter().map(|state| row::state(*state).to_string()).collect();
            match states.as_slice() {
                [one] => add(&format!("m.state = {one}"), None),
                _ => add(&format!("m.state IN ({})", states.join(", ")), None),
            }
        }
        if let Some(queue) = &filter.queue {
            add("q.name = ?", Some(Value::Text(queue.as_str().to_owned())));
        }
        if let Some(message_type) = &filter.message_type {
            add("m.type = ?", Some(Value::Text(message_type.as_str().to_owned())));
        }
        if let Some(group) = &filter.error_group {
            add("m.error_group = ?", Some(Value::Text(group.as_str().to_owned())));
        }
        if let Some(from) = filter.settled_from {
            add("m.settled >= ?", Some(Value::Integer(row::millis(from))));
        }
        if let Some(before) = filter.settled_before {
            add("m.settled < ?", Some(Value::Integer(row::millis(before))));
        }
        if let Some(after) = page.after {
            add("m.id > ?", Some(Value::Blob(after.as_bytes().to_vec())));
        }
        let most = i64::try_from(page.max).unwrap_or(i64::MAX);
        let _ = write!(sql, " ORDER BY m.id LIMIT {most}");
        self.all(&sql, params_from_iter(values), read)
    }

    /// Makes a failed message ready again; `false` if it is not there or has not failed. What is refused is no error of the
    /// transaction: others have their part in it.
    pub(super) fn replay(
        &mut self,
        id: Uuid,
        payload: Option<&Map<String, serde_json::Value>>,
        at: Option<SystemTime>,
    ) -> Result<Result<bool, QueueError>, QueueError> {
        let Some(Found { seq, stored }) = self.found(id)? else { return Ok(Ok(false)) };
        if stored.state != dispatch_core::queue::MessageState::Failed {
            return Ok(Ok(false));
        }
        let StoredBody::Message(message) = &stored.body else {
            return Ok(Err(QueueError::NotStorable {
                what: "what is stored of it cannot be read: dispatch what it should have been, and cancel it"
                    .to_owned(),
            }));
        };
        if let Some(payload) = payload {
            let mut message = (**message).clone();
            message.payload = payload.clone();
            let body = match row::body(&message, self.limits.max_message_bytes) {
                Ok(body) => body,
                Err(refused) => return Ok(Err(refused)),
            };
            // Those that have succeeded have seen another payload.
            let sql = "UPDATE dispatch_message SET body = ?, sum = ?, succeeded = NULL WHERE seq = ?";
            self.run(sql, (&body, row::body_sum(id, &body), seq))?;
        }
        self.run(
            "UPDATE dispatch_message SET state = 1, series = series + 1, attempts = 0, due = ?, settled = NULL, \
             error_group = NULL WHERE seq = ?",
            (at.map_or(self.now, row::millis), seq),
        )?;
        self.woken = true;
        self.join_lane(seq)?;
        Ok(Ok(true))
    }

    /// Removes some of what is meant and nobody works on: how many there were, and after which message to go on.
    pub(super) fn purge_some(
        &mut self,
        filter: &Filter,
        after: Option<Uuid>,
    ) -> Result<(u64, Option<Uuid>), QueueError> {
        // Their bodies may be large.
        let id = |row: &Row<'_>| Ok(Uuid::from_bytes(row.get(0)?));
        let found = self.meant("m.id", filter, Page { after, max: TOGETHER }, id)?;
        let last = found.last().copied().filter(|_| found.len() == TOGETHER);
        let mut count = 0;
        for id in found {
            count += u64::from(self.cancel(id)?);
        }
        Ok((count, last))
    }

    /// One message.
    pub(super) fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        Ok(self.found(id)?.map(|found| found.stored))
    }
}

/// What SQLite has counted.
fn count(counted: i64) -> u64 {
    u64::try_from(counted).unwrap_or(0)
}
