//! Who of an ordering key is in front.

use dispatch_core::queue::QueueError;

use super::store::Store;

/// A place in the order of a lane, and in the table.
type Place = (i64, Vec<u8>, i64);

impl Store<'_> {
    /// The name of a lane: an ordering key of this transport.
    pub(super) fn lane(&self, key: &str) -> String {
        format!("{}/{key}", self.transport)
    }

    /// Moves messages of a lane forward or back until its front is right.
    pub(super) fn rebalance(&mut self, lane: &str) -> Result<(), QueueError> {
        let per_key = i64::try_from(self.limits.per_key.max(1)).unwrap_or(i64::MAX);
        let count = "SELECT count(*) FROM dispatch_message WHERE lane = ? AND state IN (1, 2)";
        let mut front: i64 = self.first(count, [lane], |row| row.get(0))?.unwrap_or(0);
        // One that has begun has come back to its place, which another one was given meanwhile.
        while front > per_key {
            let Some((_, _, last)) = self.last_fresh(lane)? else { break };
            self.move_to(last, 0)?;
            front -= 1;
        }
        while let Some((due, id, next)) = self.first_waiting(lane)? {
            if front >= per_key {
                let Some((last_due, last_id, last)) = self.last_fresh(lane)? else { break };
                if (due, &id) >= (last_due, &last_id) {
                    break;
                }
                self.move_to(last, 0)?;
                front -= 1;
            }
            self.move_to(next, 1)?;
            self.woken = true;
            front += 1;
        }
        Ok(())
    }

    fn first_waiting(&self, lane: &str) -> Result<Option<Place>, QueueError> {
        let sql =
            "SELECT due, id, seq FROM dispatch_message WHERE lane = ? AND state = 0 ORDER BY due, id LIMIT 1";
        self.first(sql, [lane], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// The one in front that comes last of those that have not begun and were not handed back until a time.
    fn last_fresh(&self, lane: &str) -> Result<Option<Place>, QueueError> {
        let sql = "SELECT due, id, seq FROM dispatch_message WHERE lane = ? AND state = 1 AND attempts = 0 \
                   AND since IS NULL ORDER BY due DESC, id DESC LIMIT 1";
        self.first(sql, [lane], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    fn move_to(&self, seq: i64, state: i64) -> Result<(), QueueError> {
        self.run("UPDATE dispatch_message SET state = ? WHERE seq = ?", (state, seq)).map(drop)
    }
}
