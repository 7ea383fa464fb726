//! How messages are taken, and leases extended.

use std::time::Duration;

use dispatch_core::queue::{
    Attempt, AttemptHistory, Claim, Claimed, ErrorGroup, LeaseToken, Leased, QueueError, StoredBody,
};
use uuid::Uuid;

use super::row::{self, COLUMNS, Found};
use super::settle::number;
use super::store::Store;
use crate::queue_row::UNREADABLE;

/// How many messages a claim gives up at most: it does not take for ever, whatever has piled up.
const MOST_GIVEN_UP: usize = 1_000;

/// A message that may be taken.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    due: i64,
    id: [u8; 16],
    /// Its place in the table.
    seq: i64,
    /// Its time to live is over, and nobody has begun with it.
    expired: bool,
}

/// A message that was taken, as it stands there now.
struct Taken {
    id: Uuid,
    due: i64,
    series: u32,
    attempts: u32,
    history: AttemptHistory,
    succeeded: Vec<String>,
    body: StoredBody,
}

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
            // Those that are not needed are never given.
            let last = self.next_claims(candidates.len())?;
            let first = last - i64::try_from(candidates.len()).unwrap_or(0) + 1;
            for (candidate, number) in candidates.iter().zip(first..) {
                if !self.take_one(claim, candidate, number, claimed)? {
                    // Another one of its key may have become the first of all.
                    break;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn candidates(&self, queue: i64, priority: i64, most: usize) -> Result<Vec<Candidate>, QueueError> {
        let sql = "SELECT due, id, seq, attempts = 0 AND series = 0 AND ifnull(expires <= ?3, 0) \
                   FROM dispatch_message WHERE queue = ?1 AND priority = ?2 AND state = 1 AND due <= ?3 \
                   ORDER BY due, id LIMIT ?4";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.all(sql, (queue, priority, self.now, most), |row| {
            Ok(Candidate { due: row.get(0)?, id: row.get(1)?, seq: row.get(2)?, expired: row.get(3)? })
        })
    }

    /// Takes a message, or gives it up; whether those that follow are still those that follow.
    fn take_one(
        &mut self,
        claim: &Claim,
        candidate: &Candidate,
        number: i64,
        claimed: &mut Claimed,
    ) -> Result<bool, QueueError> {
        let seq = candidate.seq;
        if candidate.expired {
            claimed.expired += 1;
            return self.expire(seq).map(|lane| lane.is_none());
        }
        let until = row::after(self.now, claim.lease);
        let sql = "UPDATE dispatch_message SET state = 2, attempts = attempts + 1, claim = ?, worker = ?, since = ?, \
                   until = ? WHERE seq = ? RETURNING id, due, series, attempts, history, succeeded, sum, body";
        let taken = self.first(sql, (number, claim.worker.as_str(), self.now, until, seq), |row| {
            let id = Uuid::from_bytes(row.get(0)?);
            let (due, series, attempts) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let (history, succeeded, body) = row::stored_of(row, id, 4)?;
            Ok(Taken { id, due, series, attempts, history, succeeded, body })
        })?;
        let Some(Taken { id, due, series, attempts, history, succeeded, body }) = taken else {
            return Ok(false);
        };
        let StoredBody::Message(message) = body else {
            claimed.unreadable += 1;
            claimed.unreadable_ids.push(id);
            return self.give_up(seq, claim, series, attempts, history).map(|()| false);
        };
        claimed.messages.push(Leased {
            token: LeaseToken {
                id,
                worker: claim.worker.clone(),
                claim: u64::try_from(number).unwrap_or_default(),
            },
            message,
            series,
            attempt: attempts,
            history,
            succeeded,
            due_at: row::time(due),
            claimed_at: row::time(self.now),
            leased_until: row::time(until),
        });
        Ok(true)
    }

    /// Numbers for so many claims, which nobody else is given; the last of them.
    fn next_claims(&self, count: usize) -> Result<i64, QueueError> {
        let sql = "UPDATE dispatch_meta SET value = value + ? WHERE name = 'claims' RETURNING value";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let last = self.first(sql, [count], |row| row.get(0))?;
        last.ok_or_else(|| super::error::damaged(self.path, "the number of claims is missing"))
    }

    /// A message that was taken and cannot be read has failed, and nobody has begun with it; its body stays as it is.
    fn give_up(
        &mut self,
        seq: i64,
        claim: &Claim,
        series: u32,
        attempts: u32,
        mut history: AttemptHistory,
    ) -> Result<(), QueueError> {
        history.push(Attempt {
            series,
            number: attempts.saturating_sub(1),
            worker: claim.worker.clone(),
            started_at: row::time(self.now),
            waited: Duration::ZERO,
            ran: None,
            error: UNREADABLE.to_owned(),
            unrecoverable: true,
        });
        self.run(
            "UPDATE dispatch_message SET state = 5, attempts = attempts - 1, worker = NULL, since = NULL, until = NULL, \
             settled = ?, error_group = ?, history = ?, succeeded = NULL WHERE seq = ?",
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
            // One that was damaged meanwhile stays as it is, so that the next claim finds it.
            let history = stored.message().and_then(|_| row::history(&stored.history));
            self.run(
                "UPDATE dispatch_message SET state = 1, worker = NULL, since = NULL, until = NULL, \
                 history = ifnull(?, history) WHERE seq = ?",
                (history, seq),
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
        let (claim, worker) = (number(token), token.worker.as_str());
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
