//! How messages get in.

use dispatch_core::messenger::{Duplicates, IdempotencyKey};
use dispatch_core::queue::{Enqueued, QueueError, Submission};
use uuid::Uuid;

use super::row;
use super::store::Store;

impl Store<'_> {
    /// Stores a message, unless another has its key.
    pub(super) fn enqueue(
        &mut self,
        submission: &Submission,
        body: &[u8],
    ) -> Result<Result<Enqueued, QueueError>, QueueError> {
        let Submission { message, remember, .. } = submission;
        let id = message.id;
        let transport = self.transport_id()?;
        let mut answer = Enqueued::stored(id);
        if let Some(key) = &message.idempotency_key {
            let known = "SELECT 1 FROM dispatch_message WHERE id = ?";
            if self.first(known, [id.into_bytes()], |_| Ok(()))?.is_some() {
                return Ok(Ok(answer));
            }
            match self.holder(transport, key.as_str())? {
                None => {}
                // Whoever asks again had no answer.
                Some(holder) if holder == id => return Ok(Ok(answer)),
                Some(of) => match remember.duplicates {
                    Duplicates::Reject => return Ok(Err(QueueError::Duplicate { of })),
                    Duplicates::Replace if self.is_replaceable(of)? => {
                        self.cancel(of)?;
                        answer = answer.in_place_of(of);
                    }
                    Duplicates::ReturnExisting | Duplicates::Replace => {
                        return Ok(Ok(Enqueued::duplicate_of(of)));
                    }
                },
            }
            self.run(
                "INSERT OR REPLACE INTO dispatch_key (transport, key, message, until) VALUES (?, ?, ?, ?)",
                (transport, key.as_str(), id.into_bytes(), remember.until.map(row::millis)),
            )?;
        }
        let queue = self.queue_id(transport, &message.queue)?;
        let lane = message.ordering_key.as_deref().map(|key| self.lane(key));
        let stored = self.run(
            "INSERT INTO dispatch_message (id, queue, type, state, priority, due, expires, lane, key, sum, body) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (
                id.into_bytes(),
                queue,
                message.message_type.as_str(),
                i64::from(lane.is_none()),
                message.priority.get(),
                row::millis(message.available_at),
                message.expires_at.map(row::millis),
                lane.as_deref(),
                message.idempotency_key.as_ref().map(IdempotencyKey::as_str),
                row::body_sum(id, body),
                body,
            ),
        )?;
        match lane {
            // It is there already, and was stored before.
            _ if stored == 0 => {}
            Some(lane) => self.rebalance(&lane)?,
            None => self.woken = true,
        }
        Ok(Ok(answer))
    }

    /// The message that has a key.
    fn holder(&self, transport: i64, key: &str) -> Result<Option<Uuid>, QueueError> {
        let sql = "SELECT message FROM dispatch_key WHERE transport = ? AND key = ? AND (until IS NULL OR until > ?)";
        self.first(sql, (transport, key, self.now), |row| row.get(0).map(Uuid::from_bytes))
    }

    /// Whether a message may be replaced: nobody has ever begun with it.
    fn is_replaceable(&self, id: Uuid) -> Result<bool, QueueError> {
        let sql = "SELECT 1 FROM dispatch_message WHERE id = ? AND state < 2 AND claim = 0 AND series = 0";
        Ok(self.first(sql, [id.into_bytes()], |_| Ok(()))?.is_some())
    }
}
