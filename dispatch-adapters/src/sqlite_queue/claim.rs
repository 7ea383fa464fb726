//! How messages are taken, and leases extended.

use std::time::Duration;

use dispatch_core::queue::{
    Attempt, Claim, Claimed, ErrorGroup, LeaseToken, Leased, QueueError, StoredBody, StoredMessage,
};
use uuid::Uuid;

use super::row::{self, COLUMNS, Found};
use super::store::Store;
use crate::queue_row::UNREADABLE;

/// How many messages a claim gives up at most: it does not take for ever, whatever has piled up.
const MOST_GIVEN_UP: usize = 1_000;

/// A message that may be taken: when it is due, its id, and its place in the table.
type Candidate = (i64, Vec<u8>, i64);

impl Store<'_> {
    /// Takes messages to work on, and gives up what has expired or cannot be read.
    pub(super) fn claim(&mut self, claim: &Claim) -> Result<Claimed, QueueError> {
        self.end_leases()?;
        let mut claimed = Claimed::default();
        let known = self.queues()?;
        let wanted = known.iter().filter(|(name, (_, paused))| {
            !paused && claim.queues.iter().any(|queue| queue.as_str() == name.as_str())
        });
        let queues: Vec<i64> = wanted.map(|(_, (id, _))| *id).collect();
        while claimed.messages.len() < claim.max && claimed.expired + claimed.unreadable < MOST_GIVEN_UP {
            let taken = self.take_some(claim, &queues, &mut claimed)?;
            if !taken {
                break;
            }
        }
        if claimed.messages.len() < claim.max {
            claimed.next_due = self.next_due(&queues)?.map(row::time);
        }
        Ok(claimed)
    }

    /// Takes messages of one priority, the highest that is due; whether there were any.
    fn take_some(
        &mut self,
        claim: &Claim,
        queues: &[i64],
        claimed: &mut Claimed,
    ) -> Result<bool, QueueError> {
        let most = claim.max.saturating_sub(claimed.messages.len());
        for priority in (1..=10).rev() {
            let mut candidates = Vec::new();
            for queue in queues {
                candidates.extend(self.candidates(*queue, priority, most)?);
            }
            candidates.sort_unstable();
            candidates.truncate(most);
            if candidates.is_empty() {
                continue;
            }
            for (_, _, seq) in candidates {
                if !self.take_one(claim, seq, claimed)? {
                    // Another one of its key may have become the first of all.
                    break;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn candidates(&self, queue: i64, priority: i64, most: usize) -> Result<Vec<Candidate>, QueueError> {
        let sql = "SELECT due, id, seq FROM dispatch_message WHERE queue = ? AND priority = ? AND state = 1 \
                   AND due <= ? ORDER BY due, id LIMIT ?";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.all(sql, (queue, priority, self.now, most), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// Takes a message, or gives it up; whether those that follow are still those that follow.
    fn take_one(&mut self, claim: &Claim, seq: i64, claimed: &mut Claimed) -> Result<bool, QueueError> {
        let Some(Found { stored, .. }) = self.found_at(seq)? else { return Ok(false) };
        if stored.has_expired(row::time(self.now)) {
            claimed.expired += 1;
            return self.finish(seq, 4).map(|lane| lane.is_none());
        }
        let StoredBody::Message(message) = &stored.body else {
            claimed.unreadable += 1;
            claimed.unreadable_ids.push(stored.id);
            return self.give_up(seq, claim, &stored).map(|()| false);
        };
        let number = self.next_claim()?;
        let until = row::after(self.now, claim.lease);
        self.run(
            "UPDATE dispatch_message SET state = 2, attempts = attempts + 1, claim = ?, worker = ?, since = ?, \
             until = ? WHERE seq = ?",
            (number, claim.worker.as_str(), self.now, until, seq),
        )?;
        claimed.messages.push(Leased {
            token: LeaseToken {
                id: stored.id,
                worker: claim.worker.clone(),
                claim: u64::try_from(number).unwrap_or_default(),
            },
            message: std::sync::Arc::clone(message),
            series: stored.series,
            attempt: stored.attempts + 1,
            history: stored.history,
            succeeded: stored.succeeded,
            due_at: stored.due_at,
            claimed_at: row::time(self.now),
            leased_until: row::time(until),
        });
        Ok(true)
    }

    /// The number of one more claim.
    fn next_claim(&self) -> Result<i64, QueueError> {
        let sql = "UPDATE dispatch_meta SET value = value + 1 WHERE name = 'claims' RETURNING value";
        let number = self.first(sql, (), |row| row.get(0))?;
        number.ok_or_else(|| super::error::damaged(self.path, "the number of claims is missing"))
    }

    /// A message that cannot be read has failed; its body stays as it is.
    fn give_up(&mut self, seq: i64, claim: &Claim, stored: &StoredMessage) -> Result<(), QueueError> {
        let mut history = stored.history.clone();
        history.push(Attempt {
            series: stored.series,
            number: stored.attempts,
            worker: claim.worker.clone(),
            started_at: row::time(self.now),
            waited: Duration::ZERO,
            ran: None,
            error: UNREADABLE.to_owned(),
            unrecoverable: true,
        });
        self.run(
            "UPDATE dispatch_message SET state = 5, settled = ?, error_group = ?, history = ? WHERE seq = ?",
            (self.now, ErrorGroup::of(UNREADABLE).as_str(), row::history(&history), seq),
        )?;
        self.leave_lane(seq)
    }

    /// Makes messages ready again whose leases ran out.
    fn end_leases(&mut self) -> Result<(), QueueError> {
        let over =
            self.all("SELECT seq FROM dispatch_message WHERE state = 2 AND until <= ?", [self.now], |row| {
                row.get::<_, i64>(0)
            })?;
        for seq in over {
            let Some(Found { mut stored, .. }) = self.found_at(seq)? else { continue };
            stored.lose_lease();
            self.run(
                "UPDATE dispatch_message SET state = 1, worker = NULL, since = NULL, until = NULL, history = ? \
                 WHERE seq = ?",
                (row::history(&stored.history), seq),
            )?;
            self.woken = true;
        }
        Ok(())
    }

    /// When the next message is due, or the next lease runs out.
    fn next_due(&self, queues: &[i64]) -> Result<Option<i64>, QueueError> {
        let lease = "SELECT min(until) FROM dispatch_message WHERE state = 2";
        let mut next = self.first(lease, (), |row| row.get::<_, Option<i64>>(0))?.flatten();
        let due = "SELECT min(due) FROM dispatch_message WHERE queue = ? AND priority = ? AND state = 1";
        for queue in queues {
            for priority in 1..=10 {
                let due = self.first(due, (*queue, priority), |row| row.get::<_, Option<i64>>(0))?.flatten();
                next = next.into_iter().chain(due).min();
            }
        }
        Ok(next)
    }

    /// Lets a lease run for this much longer from now; until when.
    pub(super) fn extend(
        &self,
        token: &LeaseToken,
        lease: Duration,
    ) -> Result<Result<i64, QueueError>, QueueError> {
        let until = row::after(self.now, lease);
        let sql =
            "UPDATE dispatch_message SET until = ? WHERE id = ? AND state = 2 AND claim = ? AND worker = ?";
        let (claim, worker) = (i64::try_from(token.claim).unwrap_or(-1), token.worker.as_str());
        let changed = self.run(sql, (until, token.id.into_bytes(), claim, worker))?;
        Ok(if changed == 1 { Ok(until) } else { Err(QueueError::LeaseLost { id: token.id }) })
    }

    /// A message by its place in the table.
    pub(super) fn found_at(&self, seq: i64) -> Result<Option<Found>, QueueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dispatch_message m JOIN dispatch_queue q ON q.id = m.queue WHERE m.seq = ?"
        );
        self.first(&sql, [seq], row::read)
    }

    /// A message by its id, if it is one of this transport.
    pub(super) fn found(&self, id: Uuid) -> Result<Option<Found>, QueueError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dispatch_message m JOIN dispatch_queue q ON q.id = m.queue \
             JOIN dispatch_transport t ON t.id = q.transport WHERE m.id = ? AND t.name = ?"
        );
        self.first(&sql, (id.into_bytes(), self.transport), row::read)
    }
}
