//! What becomes of messages.

use dispatch_core::queue::{Attempt, ErrorGroup, LeaseToken, Outcome, QueueError, Settlement};
use uuid::Uuid;

use super::row::{self, Found};
use super::store::Store;

impl Store<'_> {
    /// Says what became of a message.
    pub(super) fn settle(&mut self, settlement: &Settlement) -> Result<Result<(), QueueError>, QueueError> {
        let Settlement { token, outcome } = settlement;
        let lost = Err(QueueError::LeaseLost { id: token.id });
        if *outcome == Outcome::Done {
            return Ok(if self.done(token)? { Ok(()) } else { lost });
        }
        let Some(seq) = self.held(token)? else { return Ok(lost) };
        match outcome {
            Outcome::Done => {}
            Outcome::Retry { at, attempt, succeeded } => {
                self.record(seq, attempt, succeeded)?;
                self.again(seq, row::millis(*at), 0, None)?;
            }
            Outcome::Failed { attempt, succeeded } => {
                self.record(seq, attempt, succeeded)?;
                self.run(
                    "UPDATE dispatch_message SET state = 5, worker = NULL, since = NULL, until = NULL, settled = ?, \
                     error_group = ? WHERE seq = ?",
                    (self.now, ErrorGroup::of(&attempt.error).as_str(), seq),
                )?;
                self.leave_lane(seq)?;
            }
            Outcome::Release { at } => {
                let due = match at {
                    Some(at) => row::millis(*at),
                    None => self
                        .first("SELECT due FROM dispatch_message WHERE seq = ?", [seq], |row| row.get(0))?
                        .unwrap_or(self.now),
                };
                self.again(seq, due, 1, at.map(|_| self.now))?;
            }
        }
        Ok(Ok(()))
    }

    /// A message is done, if a token is its newest claim; whether it is. One statement, unless others of its lane move up.
    fn done(&mut self, token: &LeaseToken) -> Result<bool, QueueError> {
        let (id, claim, worker) = (token.id.into_bytes(), number(token), token.worker.as_str());
        let lane: Option<Option<String>> = if self.limits.keep_done.is_zero() {
            let sql = "DELETE FROM dispatch_message WHERE id = ? AND state = 2 AND claim = ? AND worker = ? \
                       RETURNING lane";
            self.first(sql, (id, claim, worker), |row| row.get(0))?
        } else {
            let sql = "UPDATE dispatch_message SET state = 3, worker = NULL, since = NULL, until = NULL, settled = ? \
                       WHERE id = ? AND state = 2 AND claim = ? AND worker = ? RETURNING lane";
            self.first(sql, (self.now, id, claim, worker), |row| row.get(0))?
        };
        let Some(lane) = lane else { return Ok(false) };
        lane.map_or(Ok(()), |lane| self.rebalance(&lane)).map(|()| true)
    }

    /// The place of a message whose newest claim a token is.
    fn held(&self, token: &LeaseToken) -> Result<Option<i64>, QueueError> {
        let sql = "SELECT seq FROM dispatch_message WHERE id = ? AND state = 2 AND claim = ? AND worker = ?";
        let claim = number(token);
        self.first(sql, (token.id.into_bytes(), claim, token.worker.as_str()), |row| row.get(0))
    }

    /// Adds an attempt to the history of a message.
    fn record(&self, seq: i64, attempt: &Attempt, succeeded: &[String]) -> Result<(), QueueError> {
        let Some(Found { mut stored, .. }) = self.found_at(seq)? else { return Ok(()) };
        stored.history.push(attempt.clone());
        let sql = "UPDATE dispatch_message SET history = ?, succeeded = ? WHERE seq = ?";
        self.run(sql, (row::history(&stored.history), row::succeeded(succeeded), seq)).map(drop)
    }

    /// A message is to be handled once more; so many attempts are taken back. One that is held back since a time keeps its
    /// place.
    fn again(
        &mut self,
        seq: i64,
        due: i64,
        taken_back: i64,
        held_back: Option<i64>,
    ) -> Result<(), QueueError> {
        self.run(
            "UPDATE dispatch_message SET state = 1, worker = NULL, since = ?, until = NULL, due = ?, \
             attempts = max(0, attempts - ?) WHERE seq = ?",
            (held_back, due, taken_back, seq),
        )?;
        self.woken = true;
        self.join_lane(seq)
    }

    /// A message that is to be handled takes its place in its lane: behind the others, unless it has begun or is
    /// held back.
    pub(super) fn join_lane(&mut self, seq: i64) -> Result<(), QueueError> {
        let sql = "UPDATE dispatch_message SET state = CASE WHEN attempts = 0 AND since IS NULL THEN 0 ELSE 1 END \
                   WHERE seq = ? AND lane IS NOT NULL RETURNING lane";
        let lane: Option<String> = self.first(sql, [seq], |row| row.get(0))?;
        lane.map_or(Ok(()), |lane| self.rebalance(&lane))
    }

    /// A message is over or has failed: others of its lane move up.
    pub(super) fn leave_lane(&mut self, seq: i64) -> Result<(), QueueError> {
        let sql = "SELECT lane FROM dispatch_message WHERE seq = ? AND lane IS NOT NULL";
        let lane: Option<String> = self.first(sql, [seq], |row| row.get(0))?;
        lane.map_or(Ok(()), |lane| self.rebalance(&lane))
    }

    /// The time to live of a message is over, and it is kept for a while if the queue was made to; its lane.
    pub(super) fn expire(&mut self, seq: i64) -> Result<Option<String>, QueueError> {
        let lane: Option<String> = if self.limits.keep_done.is_zero() {
            let sql = "DELETE FROM dispatch_message WHERE seq = ? RETURNING lane";
            self.first(sql, [seq], |row| row.get(0))?.flatten()
        } else {
            let sql = "UPDATE dispatch_message SET state = 4, settled = ? WHERE seq = ? RETURNING lane";
            self.first(sql, (self.now, seq), |row| row.get(0))?.flatten()
        };
        if let Some(lane) = &lane {
            self.rebalance(lane)?;
        }
        Ok(lane)
    }

    /// Removes a message that nobody works on, and forgets its key; whether there was one.
    pub(super) fn cancel(&mut self, id: Uuid) -> Result<bool, QueueError> {
        let sql = "DELETE FROM dispatch_message WHERE id = ? AND state <> 2 AND queue IN \
                   (SELECT q.id FROM dispatch_queue q JOIN dispatch_transport t ON t.id = q.transport WHERE t.name = ?) \
                   RETURNING lane, key";
        let removed: Option<(Option<String>, Option<String>)> =
            self.first(sql, (id.into_bytes(), self.transport), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((lane, key)) = removed else { return Ok(false) };
        if let Some(key) = key {
            self.forget_key(&key, id)?;
        }
        if let Some(lane) = lane {
            self.rebalance(&lane)?;
        }
        Ok(true)
    }
}

/// The number of a claim as it is stored.
pub(super) fn number(token: &LeaseToken) -> i64 {
    i64::try_from(token.claim).unwrap_or(-1)
}
