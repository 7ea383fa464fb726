//! Messages that a claim comes across and that are not handled: leases that ran out, times to live that are over, and
//! bodies that cannot be read.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::queue::{Attempt, AttemptHistory, ErrorGroup, LeaseToken};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::super::error::Step;
use super::super::row::{self, COLUMNS};
use super::super::store::{Job, Store, Value};
use super::{Tokens, number};
use crate::queue_row::{self, UNREADABLE};

/// Most messages in one transaction.
const TOGETHER: i64 = 500;

/// Makes messages ready again whose leases ran out; whether there may be more.
pub(super) struct EndLeases;

#[async_trait]
impl Job for EndLeases {
    type Answer = bool;

    async fn run(&self, store: &mut Store<'_>) -> Step<bool> {
        let text = format!(
            "SELECT {COLUMNS} FROM {{s}}dispatch_message m WHERE m.transport = $1 AND m.state = 2 \
             AND m.until <= {{now}} ORDER BY m.until LIMIT $3 FOR UPDATE SKIP LOCKED"
        );
        let mut ended = Vec::new();
        for row in store.rows(&text, &[(&TOGETHER, Type::INT8)]).await? {
            let mut stored = row::read(&row, 0)?.stored;
            stored.lose_lease();
            // One that was damaged meanwhile stays as it is, so that the next claim finds it.
            let history = stored.message().and_then(|_| queue_row::history(&stored.history));
            ended.push((stored.id, history));
        }
        // In order, so that the place of one is found without a walk through all of them.
        ended.sort_unstable_by_key(|(id, _)| *id);
        let (ids, histories): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        if ids.is_empty() {
            return Ok(false);
        }
        let text = "UPDATE {s}dispatch_message m SET state = 1, worker = NULL, since = NULL, until = NULL, \
                    history = coalesce(($4)[width_bucket(m.id, $3)], m.history) WHERE m.transport = $1 AND m.id = ANY($3)";
        store.rows(text, &[(&ids, Type::UUID_ARRAY), (&histories, Type::TEXT_ARRAY)]).await?;
        store.woken = true;
        Ok(i64::try_from(ids.len()).is_ok_and(|count| count == TOGETHER))
    }
}

/// Gives up messages whose time to live is over; how many there still were.
pub(super) struct Expire<'a>(pub(super) &'a [Uuid]);

#[async_trait]
impl Job for Expire<'_> {
    type Answer = usize;

    async fn run(&self, store: &mut Store<'_>) -> Step<usize> {
        let lanes = store.lanes_of(self.0).await?;
        store.lock_lanes(&lanes).await?;
        let over = "m.transport = $1 AND m.id = ANY($3) AND m.state + 0 = 1 AND m.attempts = 0 AND m.series = 0 \
                    AND m.expires <= {now}";
        let text = if store.shape.keep_done == 0 {
            format!("DELETE FROM {{s}}dispatch_message m WHERE {over} RETURNING m.lane")
        } else {
            format!(
                "UPDATE {{s}}dispatch_message m SET state = 4, settled = {{now}} WHERE {over} RETURNING m.lane"
            )
        };
        let rows = store.rows(&text, &[(&self.0, Type::UUID_ARRAY)]).await?;
        store.rebalance(&lanes).await?;
        Ok(rows.len())
    }
}

/// Messages that were taken and cannot be read have failed; their bodies stay as they are. How many there still were.
pub(super) struct GiveUp<'a>(pub(super) &'a [LeaseToken]);

#[async_trait]
impl Job for GiveUp<'_> {
    type Answer = usize;

    async fn run(&self, store: &mut Store<'_>) -> Step<usize> {
        let tokens = Tokens::of(self.0);
        let lanes = store.lanes_of(&tokens.ids).await?;
        store.lock_lanes(&lanes).await?;
        let mut count = 0;
        for token in self.0 {
            count += usize::from(give_up(store, token).await?);
        }
        store.rebalance(&lanes).await?;
        Ok(count)
    }
}

async fn give_up(store: &Store<'_>, token: &LeaseToken) -> Step<bool> {
    let text = format!(
        "SELECT {COLUMNS} FROM {{s}}dispatch_message m WHERE m.transport = $1 AND m.id = $3 AND m.claim = $4 \
         AND m.state + 0 = 2 FOR UPDATE"
    );
    let claim = number(token);
    let rows = store.rows(&text, &[(&token.id, Type::UUID), (&claim, Type::INT8)]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let stored = row::read(row, 0)?.stored;
    let mut history: AttemptHistory = stored.history;
    history.push(Attempt {
        series: stored.series,
        // Nobody has begun with it.
        number: stored.attempts.saturating_sub(1),
        worker: token.worker.clone(),
        started_at: stored.lease.map_or(stored.due_at, |lease| lease.since),
        waited: Duration::ZERO,
        ran: None,
        error: UNREADABLE.to_owned(),
        unrecoverable: true,
    });
    let history = queue_row::history(&history);
    let group = ErrorGroup::of(UNREADABLE);
    let text = "UPDATE {s}dispatch_message SET state = 5, attempts = greatest(attempts - 1, 0), worker = NULL, \
                since = NULL, until = NULL, settled = {now}, error_group = $4, history = $5, succeeded = NULL \
                WHERE transport = $1 AND id = $3";
    let values: [Value<'_>; 3] =
        [(&token.id, Type::UUID), (&group.as_str(), Type::TEXT), (&history, Type::TEXT)];
    store.rows(text, &values).await?;
    Ok(true)
}

impl Store<'_> {
    /// The lanes that messages are in.
    pub(in super::super) async fn lanes_of(&self, ids: &[Uuid]) -> Step<BTreeSet<i64>> {
        let text =
            "SELECT lane FROM {s}dispatch_message WHERE transport = $1 AND id = ANY($3) AND lane IS NOT NULL";
        let rows = self.rows(text, &[(&ids, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
