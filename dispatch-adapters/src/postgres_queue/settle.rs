//! What becomes of messages.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use dispatch_core::queue::{Attempt, ErrorGroup, LeaseToken, Outcome, QueueError, Settlement};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::claim::{Held, Tokens, held, number};
use super::error::Step;
use super::row::{self, COLUMNS};
use super::shape::storable;
use super::store::{Job, Store, Value};
use crate::queue_row;

/// What became of the word that a message is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    Done,
    /// It is in a lane, which has to move on: nothing was done.
    Laned,
    Lost,
}

/// Messages that are done, as far as they are in no lane: one statement.
pub(super) struct Finish<'a>(pub(super) &'a [LeaseToken]);

#[async_trait]
impl Job for Finish<'_> {
    /// One answer per token, in order.
    type Answer = Vec<Finished>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Vec<Finished>> {
        let tokens = Tokens::of(self.0);
        let holds = "m.transport = $1 AND m.id = ANY($3) AND m.id = t.id AND m.state + 0 = 2 AND m.claim = t.claim \
                     AND m.worker = t.worker";
        let end = if store.shape.keep_done == 0 {
            format!(
                "DELETE FROM {{s}}dispatch_message m USING t WHERE {holds} AND m.lane IS NULL RETURNING t.*"
            )
        } else {
            format!(
                "UPDATE {{s}}dispatch_message m SET state = 3, worker = NULL, since = NULL, until = NULL, \
                 settled = {{now}} FROM t WHERE {holds} AND m.lane IS NULL RETURNING t.*"
            )
        };
        let text = format!(
            "WITH t AS MATERIALIZED (SELECT * FROM unnest($3, $4, $5) u (id, claim, worker)), ended AS ({end}) \
             SELECT id, claim, worker, true FROM ended UNION ALL \
             SELECT t.id, t.claim, t.worker, false FROM t CROSS JOIN {{s}}dispatch_message m \
             WHERE {holds} AND m.lane IS NOT NULL"
        );
        let values: [Value<'_>; 3] = [
            (&tokens.ids, Type::UUID_ARRAY),
            (&tokens.claims, Type::INT8_ARRAY),
            (&tokens.workers, Type::TEXT_ARRAY),
        ];
        let rows = store.rows(&text, &values).await?;
        let mut found: HashMap<Held, bool> = HashMap::new();
        for row in rows {
            found.insert((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), row.try_get(3)?);
        }
        // Of several who say the same at the same time one is right.
        let answer = |token: &LeaseToken| match found.remove(&held(token)) {
            Some(true) => Finished::Done,
            Some(false) => Finished::Laned,
            None => Finished::Lost,
        };
        Ok(self.0.iter().map(answer).collect())
    }
}

/// Anything that may become of messages: one transaction.
pub(super) struct Settle<'a>(pub(super) &'a [Settlement]);

/// What is to be written of messages.
#[derive(Default)]
struct Changes {
    done: Vec<Uuid>,
    ids: Vec<Uuid>,
    states: Vec<i16>,
    due: Vec<i64>,
    attempts: Vec<i32>,
    held_back: Vec<bool>,
    groups: Vec<Option<String>>,
    histories: Vec<Option<String>>,
    succeeded: Vec<Option<String>>,
    lanes: BTreeSet<i64>,
}

#[async_trait]
impl Job for Settle<'_> {
    type Answer = Vec<Result<(), QueueError>>;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let ids: Vec<_> = self.0.iter().map(|settlement| settlement.token.id).collect();
        let lanes = store.lanes_of(&ids).await?;
        store.lock_lanes(&lanes).await?;
        let text = format!(
            "SELECT {COLUMNS} FROM {{s}}dispatch_message m WHERE m.transport = $1 AND m.id = ANY($3) AND m.state + 0 = 2 \
             ORDER BY m.id FOR UPDATE"
        );
        let mut held = HashMap::new();
        for row in store.rows(&text, &[(&ids, Type::UUID_ARRAY)]).await? {
            let found = row::read(&row, 0)?;
            held.insert(found.stored.id, found);
        }
        let (mut changes, mut answers) = (Changes::default(), Vec::new());
        for Settlement { token, outcome } in self.0 {
            let holds = held.get(&token.id).is_some_and(|found| {
                let worker = found.stored.lease.as_ref().map(|lease| &lease.worker);
                found.stored.claim == token.claim
                    && number(token) >= 0
                    && worker.is_some_and(|worker| worker.as_str() == storable(token.worker.as_str()))
            });
            match held.remove(&token.id) {
                Some(found) if holds => {
                    changes.add(found, outcome);
                    answers.push(Ok(()));
                }
                other => {
                    held.extend(other.map(|found| (token.id, found)));
                    answers.push(Err(QueueError::LeaseLost { id: token.id }));
                }
            }
        }
        changes.write(store).await?;
        Ok(answers)
    }
}

impl Changes {
    fn add(&mut self, found: row::Found, outcome: &Outcome) {
        let row::Found { mut stored, lane } = found;
        self.lanes.extend(lane);
        let mut record = |attempt: &Attempt, succeeded: &[String]| {
            stored.history.push(attempt.clone());
            succeeded.clone_into(&mut stored.succeeded);
        };
        let (mut due, mut group) = (queue_row::millis(stored.due_at), None);
        stored.held_back = false;
        let failed = match outcome {
            Outcome::Done => return self.done.push(stored.id),
            Outcome::Retry { at, attempt, succeeded } => {
                record(attempt, succeeded);
                due = queue_row::millis(*at);
                false
            }
            Outcome::Failed { attempt, succeeded } => {
                record(attempt, succeeded);
                group = Some(storable(ErrorGroup::of(&attempt.error).as_str()).into_owned());
                true
            }
            Outcome::Release { at } => {
                stored.attempts = stored.attempts.saturating_sub(1);
                stored.held_back = at.is_some();
                due = at.map_or(due, queue_row::millis);
                false
            }
        };
        // One that does not stay in front waits in its lane, if it has one, until it is in front of it.
        let ready = lane.is_none() || stored.is_in_front();
        self.ids.push(stored.id);
        self.states.push(if failed { 5 } else { i16::from(ready) });
        self.due.push(due);
        self.attempts.push(i32::try_from(stored.attempts).unwrap_or(i32::MAX));
        self.held_back.push(stored.held_back);
        self.groups.push(group);
        self.histories.push(queue_row::history(&stored.history));
        self.succeeded.push(queue_row::succeeded(&stored.succeeded));
    }

    async fn write(self, store: &mut Store<'_>) -> Step<()> {
        if !self.done.is_empty() {
            let text = if store.shape.keep_done == 0 {
                "DELETE FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3)"
            } else {
                "UPDATE {s}dispatch_message SET state = 3, worker = NULL, since = NULL, until = NULL, settled = {now} \
                 WHERE transport = $1 AND id = ANY($3)"
            };
            store.rows(text, &[(&self.done, Type::UUID_ARRAY)]).await?;
        }
        if !self.ids.is_empty() {
            let text = "
                UPDATE {s}dispatch_message m SET state = c.state, due = c.due, attempts = c.attempts, worker = NULL,
                    since = CASE WHEN c.held_back THEN {now} END, until = NULL, settled = CASE WHEN c.state = 5 THEN {now} END,
                    error_group = c.error_group, history = c.history, succeeded = c.succeeded
                FROM unnest($3, $4, $5, $6, $7, $8, $9, $10)
                    c (id, state, due, attempts, error_group, history, succeeded, held_back)
                WHERE m.transport = $1 AND m.id = ANY($3) AND m.id = c.id";
            let values: [Value<'_>; 8] = [
                (&self.ids, Type::UUID_ARRAY),
                (&self.states, Type::INT2_ARRAY),
                (&self.due, Type::INT8_ARRAY),
                (&self.attempts, Type::INT4_ARRAY),
                (&self.groups, Type::TEXT_ARRAY),
                (&self.histories, Type::TEXT_ARRAY),
                (&self.succeeded, Type::TEXT_ARRAY),
                (&self.held_back, Type::BOOL_ARRAY),
            ];
            store.rows(text, &values).await?;
            store.woken |= self.states.contains(&1);
        }
        store.rebalance(&self.lanes).await
    }
}
