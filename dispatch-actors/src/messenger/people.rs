use std::time::{Duration, SystemTime};

use dispatch_core::DeadLetter;
use dispatch_core::messenger::{MessengerError, MessengerErrorCode, Name};
use dispatch_core::queue::{Depth, Filter, MessageQueue, MessageState, Page, QueueError, StoredMessage};
use dispatch_core::time::is_writable;
use futures_util::future::join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Messenger;
use super::pages::Pages;

/// How failed messages are replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replay {
    /// Nothing is done, but counted.
    pub dry_run: bool,
    /// The time from one message to the next: they become due one after the other, instead of all at once.
    pub every: Option<Duration>,
    /// Most messages.
    pub max: Option<u64>,
}

impl Replay {
    /// All at once.
    #[must_use]
    pub fn at_once() -> Self {
        Self::default()
    }

    /// Only counts.
    #[must_use]
    pub const fn dry(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// One after the other.
    #[must_use]
    pub const fn every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }

    /// So many at most.
    #[must_use]
    pub const fn at_most(mut self, messages: u64) -> Self {
        self.max = Some(messages);
        self
    }
}

/// How many messages a transport has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// The transport.
    pub transport: String,
    /// Its queues, whether they are paused, and what is in them.
    pub queues: Vec<(Name, bool, Depth)>,
}

impl TransportStats {
    /// What is in all of its queues.
    #[must_use]
    pub fn total(&self) -> Depth {
        let mut total = Depth::default();
        self.queues.iter().for_each(|(_, _, depth)| total += *depth);
        total
    }
}

/// What people ask and do.
impl Messenger {
    /// How many messages every transport has.
    ///
    /// # Errors
    /// What a transport said that does not answer.
    pub async fn stats(&self) -> Result<Vec<TransportStats>, MessengerError> {
        let mut stats = Vec::new();
        for (transport, queue) in &self.shared.queues {
            stats.push(TransportStats { transport: transport.clone(), queues: queue.depths().await? });
        }
        Ok(stats)
    }

    /// Messages of a transport, in the order of their dispatch.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn list(
        &self,
        transport: &str,
        filter: &Filter,
        page: Page,
    ) -> Result<Vec<StoredMessage>, MessengerError> {
        Ok(self.queue(transport)?.list(filter, page).await?)
    }

    /// The failed messages of a transport that a filter means, as dead letters, in the order of their dispatch; those that
    /// cannot be read among them. Whoever was not told of them can be told of these.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn failed(
        &self,
        transport: &str,
        filter: &Filter,
        page: Page,
    ) -> Result<Vec<DeadLetter>, MessengerError> {
        self.letters(transport, filter, MessageState::Failed, page).await
    }

    /// The same of messages that have expired and are kept.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn expired(
        &self,
        transport: &str,
        filter: &Filter,
        page: Page,
    ) -> Result<Vec<DeadLetter>, MessengerError> {
        self.letters(transport, filter, MessageState::Expired, page).await
    }

    async fn letters(
        &self,
        transport: &str,
        filter: &Filter,
        state: MessageState,
        page: Page,
    ) -> Result<Vec<DeadLetter>, MessengerError> {
        let mut filter = filter.clone();
        filter.states = vec![state];
        let found = self.list(transport, &filter, page).await?;
        Ok(found.iter().filter_map(|stored| DeadLetter::of_message(transport, stored)).collect())
    }

    /// One message, wherever it is: its transport and all that is known about it.
    ///
    /// # Errors
    /// What a transport said that does not answer.
    pub async fn show(&self, id: Uuid) -> Result<Option<(String, StoredMessage)>, MessengerError> {
        for (transport, queue) in &self.shared.queues {
            if let Some(stored) = queue.find(id).await? {
                return Ok(Some((transport.clone(), stored)));
            }
        }
        Ok(None)
    }

    /// Replays one failed message, with another payload if one is given; `false` if it is not there or has not failed.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn retry(
        &self,
        transport: &str,
        id: Uuid,
        payload: Option<Map<String, Value>>,
    ) -> Result<bool, MessengerError> {
        Ok(self.queue(transport)?.replay(id, payload, None).await?)
    }

    /// Replays the failed messages of a transport that a filter means; how many. Whatever there are, a few hundred are in
    /// memory at a time, fewer if they are large, and those that fail again meanwhile are not replayed twice.
    ///
    /// # Errors
    /// What the transport said, or that it is not there; or a pace by which messages would be due after the year 9999. Some
    /// may have been replayed by then.
    pub async fn retry_all(
        &self,
        transport: &str,
        filter: &Filter,
        replay: Replay,
    ) -> Result<u64, MessengerError> {
        let queue = self.queue(transport)?;
        let begun = self.shared.clock.now();
        let mut filter = filter.clone();
        filter.states = Filter::failed().states;
        // Those that turn out to be gone have had their place in time.
        let (mut count, mut paced, mut pages) = (0, 0, Pages::new());
        loop {
            let found = queue.list(&filter, pages.next()).await?;
            let left = replay.max.map_or(u64::MAX, |max| max.saturating_sub(count));
            let mut some = found;
            some.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            // Of those that are looked at: if some of them are gone, those behind them are next.
            if !pages.seen(&some) {
                return Ok(count);
            }
            if replay.dry_run {
                // What cannot be read would stay where it is.
                count += some.iter().filter(|stored| stored.message().is_some()).count() as u64;
            } else {
                let mut replays = Vec::new();
                for stored in some {
                    let at = replay.every.map(|every| due(begun, every, paced)).transpose()?;
                    paced += 1;
                    replays.push(replay_one(queue.as_ref(), stored, at));
                }
                // Side by side, so that a store that commits together does so; each has its time beforehand.
                for replayed in join_all(replays).await {
                    count += u64::from(replayed?);
                }
            }
            if replay.max.is_some_and(|max| count >= max) {
                return Ok(count);
            }
        }
    }

    /// Drops messages that nobody works on; how many there were.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn cancel(&self, transport: &str, ids: &[Uuid]) -> Result<u64, MessengerError> {
        Ok(self.queue(transport)?.cancel(ids).await?)
    }

    /// Drops every message that a filter means and that nobody works on; how many there were.
    ///
    /// # Errors
    /// What the transport said, or that it is not there. Some may have been dropped by then.
    pub async fn purge(&self, transport: &str, filter: &Filter) -> Result<u64, MessengerError> {
        Ok(self.queue(transport)?.purge(filter).await?)
    }

    /// Pauses a queue for all workers everywhere; what is being worked on goes on.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn pause(&self, transport: &str, queue: &Name) -> Result<(), MessengerError> {
        Ok(self.queue(transport)?.set_paused(queue, true).await?)
    }

    /// Lets a paused queue go on.
    ///
    /// # Errors
    /// What the transport said, or that it is not there.
    pub async fn resume(&self, transport: &str, queue: &Name) -> Result<(), MessengerError> {
        Ok(self.queue(transport)?.set_paused(queue, false).await?)
    }
}

/// Replays a failed message; whether it was still there. What cannot be read stays where it is.
async fn replay_one(
    queue: &dyn MessageQueue,
    stored: StoredMessage,
    at: Option<SystemTime>,
) -> Result<bool, QueueError> {
    match queue.replay(stored.id, None, at).await {
        Err(error) if stored.message().is_none() => {
            tracing::warn!(id = %stored.id, %error, "a failed message cannot be replayed");
            Ok(false)
        }
        replayed => replayed,
    }
}

/// When the next of so many is due that are so far apart.
fn due(begun: SystemTime, every: Duration, count: u64) -> Result<SystemTime, MessengerError> {
    let after = u32::try_from(count).ok().and_then(|count| every.checked_mul(count));
    let due = after.and_then(|after| begun.checked_add(after)).filter(|due| is_writable(*due));
    due.ok_or_else(|| {
        let problem =
            format!("with {every:?} between two messages the next one is due after the year 9999: use less");
        MessengerError::new(MessengerErrorCode::MessageValidation, problem)
    })
}
