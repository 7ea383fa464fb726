//! Who of an ordering key is in front.
//!
//! Whoever adds to a lane, or takes from its front, holds its lock until the transaction ends; a claim does neither,
//! and is kept apart by locks on rows. Locks are taken in one order.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::error::Step;
use super::store::Store;

/// Makes the front of lanes right: those that have begun or are held back since a time, and before all others those that
/// are due first.
///
/// The front is locked first: a claim that took one of it meanwhile has made it one that has begun.
const REBALANCE: &str = "
    WITH front AS MATERIALIZED (
        SELECT id, lane, due, attempts > 0 OR since IS NOT NULL AS stays FROM {s}dispatch_message
        WHERE transport = $1 AND lane = ANY($3) AND lane IS NOT NULL AND state < 3 AND state > 0 FOR UPDATE
    ), room AS MATERIALIZED (
        SELECT l.lane, greatest($4 - count(*) FILTER (WHERE f.stays), 0) AS room
        FROM unnest($3) l (lane) LEFT JOIN front f ON f.lane = l.lane GROUP BY l.lane
    ), wanted AS MATERIALIZED (
        SELECT c.id FROM room r CROSS JOIN LATERAL (
            SELECT id, due FROM (
                SELECT f.id, f.due FROM front f WHERE f.lane = r.lane AND NOT f.stays
                UNION ALL
                (SELECT m.id, m.due FROM {s}dispatch_message m
                 WHERE m.transport = $1 AND m.lane = r.lane AND m.lane IS NOT NULL AND m.state < 3 AND m.state = 0
                 ORDER BY m.due, m.id LIMIT r.room)
            ) a ORDER BY due, id LIMIT r.room
        ) c
    ), back AS (
        UPDATE {s}dispatch_message m SET state = 0 WHERE m.transport = $1 AND m.id = ANY(ARRAY(
            SELECT f.id FROM front f WHERE NOT f.stays AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = f.id)
        ))
    ), forward AS (
        UPDATE {s}dispatch_message m SET state = 1
        WHERE m.transport = $1 AND m.id = ANY(ARRAY(SELECT id FROM wanted)) AND m.state + 0 = 0 RETURNING 1
    )
    SELECT count(*) FROM forward";

impl Store<'_> {
    /// Waits until nobody else changes these lanes.
    pub(super) async fn lock_lanes(&self, lanes: &BTreeSet<i64>) -> Step<()> {
        if lanes.is_empty() {
            return Ok(());
        }
        let locks: BTreeSet<_> = lanes.iter().map(|lane| self.shape.lock_of_lane(*lane)).collect();
        let locks: Vec<_> = locks.into_iter().collect();
        let text = "SELECT count(pg_advisory_xact_lock(lock)) FROM unnest($3) l (lock)";
        self.rows(text, &[(&locks, Type::INT8_ARRAY)]).await.map(drop)
    }

    /// Moves messages of lanes, which are locked, forward or back until their front is right.
    pub(super) async fn rebalance(&mut self, lanes: &BTreeSet<i64>) -> Step<()> {
        if lanes.is_empty() {
            return Ok(());
        }
        let lanes: Vec<_> = lanes.iter().copied().collect();
        let rows =
            self.rows(REBALANCE, &[(&lanes, Type::INT8_ARRAY), (&self.shape.per_key, Type::INT8)]).await?;
        let forward: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?;
        self.woken |= forward.is_some_and(|count| count > 0);
        Ok(())
    }
}
