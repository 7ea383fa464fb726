//! How messages are taken, and leases extended.

mod ended;
mod look;
mod round;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use dispatch_core::queue::{Claim, LeaseToken, Leased, StoredBody};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_postgres::types::Type;
use uuid::Uuid;

use ended::{EndLeases, Expire, GiveUp};
use look::look;

use super::error::Step;
use super::row;
use super::shape::storable;
use super::store::{Job, Store, Value};
use crate::queue_row::{MOST, after, time};

/// Takes messages that are due: one statement, which commits by itself.
struct Take<'a> {
    claim: &'a Claim,
    /// The queues, each once.
    queues: &'a [&'a str],
    /// Most messages to take.
    max: usize,
    /// Most messages to look at, those that have expired among them.
    looks: usize,
    /// Whether leases that ran out have been seen to.
    ended: bool,
}

/// What was taken.
#[derive(Default)]
struct Taken {
    /// Leases have run out, and nothing was taken: see to them first.
    leases_ended: bool,
    messages: Vec<Leased>,
    /// Messages in front of what could be taken that have expired; others may have done with them by now.
    expired: Vec<Uuid>,
    /// Messages that were taken and cannot be read.
    unreadable: Vec<LeaseToken>,
}

#[async_trait]
impl Job for Take<'_> {
    type Answer = Taken;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Taken> {
        let most = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (max, looks) = (most(self.max), most(self.looks));
        let (worker, lease) = (storable(self.claim.worker.as_str()), after(0, self.claim.lease));
        let values: [Value<'_>; 6] = [
            (&self.queues, Type::TEXT_ARRAY),
            (&max, Type::INT8),
            (&looks, Type::INT8),
            (&worker, Type::TEXT),
            (&lease, Type::INT8),
            (&self.ended, Type::BOOL),
        ];
        let rows = store.rows(&look(self.queues.len()), &values).await?;
        let mut taken = Taken::default();
        let mut ordered = Vec::new();
        for row in &rows {
            let now = time(row.try_get(0)?);
            taken.leases_ended = row.try_get(1)?;
            taken.expired = row.try_get(2)?;
            if row.try_get::<_, Option<Uuid>>(4)?.is_none() {
                continue;
            }
            let priority: i16 = row.try_get(3)?;
            let stored = row::read(row, 4)?.stored;
            let token = LeaseToken { id: stored.id, worker: self.claim.worker.clone(), claim: stored.claim };
            let StoredBody::Message(message) = &stored.body else {
                taken.unreadable.push(token);
                continue;
            };
            let leased = Leased {
                token,
                message: Arc::clone(message),
                series: stored.series,
                attempt: stored.attempts,
                history: stored.history,
                succeeded: stored.succeeded,
                due_at: stored.due_at,
                claimed_at: now,
                leased_until: stored.lease.map_or(now, |lease| lease.until),
            };
            ordered.push(((std::cmp::Reverse(priority), leased.due_at, leased.token.id), leased));
        }
        ordered.sort_by_key(|(place, _)| *place);
        taken.messages = ordered.into_iter().map(|(_, leased)| leased).collect();
        Ok(taken)
    }
}

/// When the next message of some queues is due, or the next lease runs out.
struct NextDue<'a>(&'a [&'a str]);

#[async_trait]
impl Job for NextDue<'_> {
    type Answer = Option<SystemTime>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        // What is due by now and was not taken is in the hands of somebody else at this moment.
        let text = "
            SELECT least(
                (SELECT min(until) FROM {s}dispatch_message WHERE transport = $1 AND state = 2),
                (SELECT min(CASE WHEN d.due <= {now} THEN {now} + 20 ELSE d.due END)
                 FROM unnest($3) q (name) CROSS JOIN generate_series(1, 10) p (priority) CROSS JOIN LATERAL (
                    SELECT due FROM {s}dispatch_message
                    WHERE transport = $1 AND queue = q.name AND priority = p.priority AND state = 1
                    ORDER BY due, id LIMIT 1
                 ) d
                 WHERE NOT EXISTS (
                    SELECT FROM {s}dispatch_paused k WHERE k.transport = $1 AND k.name = q.name
                 ))
            )";
        let rows = store.rows(text, &[(&self.0, Type::TEXT_ARRAY)]).await?;
        let next: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(next.map(time))
    }
}

/// Lets leases run for this much longer from now.
pub(super) struct Extend<'a> {
    pub(super) tokens: &'a [LeaseToken],
    pub(super) lease: Duration,
}

#[async_trait]
impl Job for Extend<'_> {
    /// Until when, by the token.
    type Answer = HashMap<Held, SystemTime>;
    const TRANSACTION: bool = false;

    async fn run(&self, store: &mut Store<'_>) -> Step<Self::Answer> {
        let tokens = Tokens::of(self.tokens);
        let lease = after(0, self.lease);
        let text = format!(
            "WITH {TOKENS} UPDATE {{s}}dispatch_message m SET until = least({{now}} + $6, $7) WHERE {HOLDS} \
             RETURNING m.id, m.claim, m.worker, m.until"
        );
        let values: [Value<'_>; 5] = [
            (&tokens.ids, Type::UUID_ARRAY),
            (&tokens.claims, Type::INT8_ARRAY),
            (&tokens.workers, Type::TEXT_ARRAY),
            (&lease, Type::INT8),
            (&MOST, Type::INT8),
        ];
        let rows = store.rows(&text, &values).await?;
        rows.iter()
            .map(|row| Ok(((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), time(row.try_get(3)?))))
            .collect()
    }
}

/// The tokens `$3`, `$4` and `$5`, for [`HOLDS`].
pub(super) const TOKENS: &str = "t AS MATERIALIZED (SELECT * FROM unnest($3, $4, $5) u (id, claim, worker))";

/// Whether a token is the newest claim of a message `m`. Tokens are looked up in a hash: by `IS TRUE` they are kept from
/// being joined, which, for a server that expects few of them, is a walk through all of them for every message.
pub(super) const HOLDS: &str = "m.transport = $1 AND m.id = ANY($3) AND m.state + 0 = 2 \
     AND ((m.id, m.claim, m.worker) IN (SELECT id, claim, worker FROM t)) IS TRUE";

/// Tokens as the server takes them, each once.
pub(super) struct Tokens {
    pub(super) ids: Vec<Uuid>,
    pub(super) claims: Vec<i64>,
    pub(super) workers: Vec<String>,
}

impl Tokens {
    pub(super) fn of<'a>(tokens: impl IntoIterator<Item = &'a LeaseToken>) -> Self {
        let mut all = Self { ids: Vec::new(), claims: Vec::new(), workers: Vec::new() };
        let mut seen = HashSet::new();
        for token in tokens.into_iter().filter(|token| seen.insert(*token)) {
            all.ids.push(token.id);
            all.claims.push(number(token));
            all.workers.push(storable(token.worker.as_str()).into_owned());
        }
        all
    }
}

/// A token as it is stored.
pub(super) type Held = (Uuid, i64, String);

/// A token as it is stored.
pub(super) fn held(token: &LeaseToken) -> Held {
    (token.id, number(token), storable(token.worker.as_str()).into_owned())
}

/// The number of a claim as it is stored.
pub(super) fn number(token: &LeaseToken) -> i64 {
    i64::try_from(token.claim).unwrap_or(-1)
}
