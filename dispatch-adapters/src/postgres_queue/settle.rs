//! What becomes of messages.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use dispatch_core::queue::{Attempt, ErrorGroup, LeaseToken, Outcome, QueueError, Settlement};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::claim::{HOLDS, Held, TOKENS, Tokens, held, number};
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
        let text = finish(store.shape.keep_done == 0);
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

/// The statement for messages that are done.
pub(super) fn finish(removed: bool) -> String {
    let end = if removed {
        format!("DELETE FROM {{s}}dispatch_message m WHERE {HOLDS} AND m.lane IS NULL")
    } else {
        // The worker stays, since it is returned.
        format!(
            "UPDATE {{s}}dispatch_message m SET state = 3, since = NULL, until = NULL, settled = {{now}} \
             WHERE {HOLDS} AND m.lane IS NULL"
        )
    };
    format!(
        "WITH {TOKENS}, ended AS ({end} RETURNING m.id, m.claim, m.worker) \
         SELECT id, claim, worker, true FROM ended UNION ALL \
         SELECT m.id, m.claim, m.worker, false FROM {{s}}dispatch_message m WHERE {HOLDS} AND m.lane IS NOT NULL"
    )
}

/// Anything that may become of messages: one transaction.
pub(super) struct Settle<'a>(pub(super) &'a [Settlement]);

/// What is to be written of messages.
#[derive(Default)]
struct Changes {
    done: Vec<Uuid>,
    open: Vec<Change>,
    lanes: BTreeSet<i64>,
}

/// What is to be written of a message that is not done.
struct Change {
    id: Uuid,
    state: i16,
    due: i64,
    attempts: i32,
    group: Option<String>,
    history: Option<String>,
    succeeded: Option<String>,
    held_back: bool,
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
        self.open.push(Change {
            id: stored.id,
            state: if failed { 5 } else { i16::from(ready) },
            due,
            attempts: i32::try_from(stored.attempts).unwrap_or(i32::MAX),
            group,
            history: queue_row::history(&stored.history),
            succeeded: queue_row::succeeded(&stored.succeeded),
            held_back: stored.held_back,
        });
    }

    async fn write(mut self, store: &mut Store<'_>) -> Step<()> {
        if !self.done.is_empty() {
            let text = if store.shape.keep_done == 0 {
                "DELETE FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3)"
            } else {
                "UPDATE {s}dispatch_message SET state = 3, worker = NULL, since = NULL, until = NULL, settled = {now} \
                 WHERE transport = $1 AND id = ANY($3)"
            };
            store.rows(text, &[(&self.done, Type::UUID_ARRAY)]).await?;
        }
        if !self.open.is_empty() {
            self.open.sort_unstable_by_key(|change| change.id);
            let of = || self.open.iter();
            let ids: Vec<_> = of().map(|change| change.id).collect();
            let states: Vec<_> = of().map(|change| change.state).collect();
            let due: Vec<_> = of().map(|change| change.due).collect();
            let attempts: Vec<_> = of().map(|change| change.attempts).collect();
            let groups: Vec<_> = of().map(|change| change.group.as_deref()).collect();
            let histories: Vec<_> = of().map(|change| change.history.as_deref()).collect();
            let succeeded: Vec<_> = of().map(|change| change.succeeded.as_deref()).collect();
            let held_back: Vec<_> = of().map(|change| change.held_back).collect();
            // The ids are in order, so the place of one is found without a walk through all of them.
            let text = "
                UPDATE {s}dispatch_message m SET state = ($4)[width_bucket(m.id, $3)],
                    due = ($5)[width_bucket(m.id, $3)], attempts = ($6)[width_bucket(m.id, $3)], worker = NULL,
                    since = CASE WHEN ($10)[width_bucket(m.id, $3)] THEN {now} END, until = NULL,
                    settled = CASE WHEN ($4)[width_bucket(m.id, $3)] = 5 THEN {now} END,
                    error_group = ($7)[width_bucket(m.id, $3)], history = ($8)[width_bucket(m.id, $3)],
                    succeeded = ($9)[width_bucket(m.id, $3)]
                WHERE m.transport = $1 AND m.id = ANY($3)";
            let values: [Value<'_>; 8] = [
                (&ids, Type::UUID_ARRAY),
                (&states, Type::INT2_ARRAY),
                (&due, Type::INT8_ARRAY),
                (&attempts, Type::INT4_ARRAY),
                (&groups, Type::TEXT_ARRAY),
                (&histories, Type::TEXT_ARRAY),
                (&succeeded, Type::TEXT_ARRAY),
                (&held_back, Type::BOOL_ARRAY),
            ];
            store.rows(text, &values).await?;
            store.woken |= states.contains(&1);
        }
        store.rebalance(&self.lanes).await
    }
}
