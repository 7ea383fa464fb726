//! The queue as its contract has it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::log::SyncPolicy;
use dispatch_core::messenger::Name;
use dispatch_core::queue::{
    Claim, Claimed, Depth, Enqueued, Filter, LeaseToken, MessageQueue, Outcome, Page, QueueError, Settlement,
    StoredMessage, Submission, Wakeup,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::claim::{self, Extend};
use super::enqueue::Enqueue;
use super::people::{self, Cancel, CountAll, Find, List, ListIds, Queues, Replay, SetPaused, Sweep};
use super::settle::Finished;
use super::{PostgresQueue, bodies, gather};

#[async_trait]
impl MessageQueue for PostgresQueue {
    fn name(&self) -> &str {
        &self.work.shape.transport
    }

    fn sync_policy(&self) -> SyncPolicy {
        SyncPolicy::Server
    }

    fn poll_interval(&self) -> Option<Duration> {
        // Notifications are much sooner; this is for those that are lost with a connection.
        Some(Duration::from_secs(1))
    }

    async fn enqueue(
        &self,
        submissions: Vec<Submission>,
    ) -> Result<Vec<Result<Enqueued, QueueError>>, QueueError> {
        self.check_open()?;
        let bodies = bodies(&submissions, self.options.max_message_bytes);
        let bytes = bodies.iter().flatten().map(Vec::len).sum();
        let is_plain = |submission: &Submission| {
            submission.message.idempotency_key.is_none() && submission.message.ordering_key.is_none()
        };
        let gathers = submissions.iter().all(is_plain)
            && submissions.len() <= gather::TOGETHER
            && bytes <= gather::TOGETHER_BYTES;
        if !gathers {
            return self.work.run(&Enqueue { submissions: &submissions, bodies: &bodies }).await;
        }
        let (mut sent, mut answers) = (Vec::new(), Vec::new());
        for (submission, body) in submissions.into_iter().zip(bodies) {
            answers.push(body.map(|body| {
                let stored = Enqueued::stored(submission.message.id);
                sent.push((submission, body));
                stored
            }));
        }
        if !sent.is_empty() {
            self.plain.ask(sent, bytes).await?;
        }
        Ok(answers)
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, QueueError> {
        let seen = self.work.wakeups.seen();
        let claimed = self.work.claim(claim).await?;
        Ok(Claimed { seen, ..claimed })
    }

    async fn extend(
        &self,
        tokens: &[LeaseToken],
        lease: Duration,
    ) -> Result<Vec<Result<SystemTime, QueueError>>, QueueError> {
        let until = self.work.run(&Extend { tokens, lease }).await?;
        let of = |token: &LeaseToken| {
            let until = until.get(&claim::held(token)).copied();
            until.ok_or(QueueError::LeaseLost { id: token.id })
        };
        Ok(tokens.iter().map(of).collect())
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.check_open()?;
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        settlements.iter().for_each(|settlement| *counts.entry(settlement.token.id).or_default() += 1);
        let alone = |settlement: &&Settlement| {
            matches!(settlement.outcome, Outcome::Done) && counts.get(&settlement.token.id) == Some(&1)
        };
        let tokens: Vec<_> =
            settlements.iter().filter(alone).map(|settlement| settlement.token.clone()).collect();
        let mut finished = self.finish(tokens).await?.into_iter();
        let mut answers = Vec::with_capacity(settlements.len());
        let (mut rest, mut places) = (Vec::new(), Vec::new());
        for (place, settlement) in settlements.iter().enumerate() {
            let lost = Err(QueueError::LeaseLost { id: settlement.token.id });
            answers.push(match if alone(&settlement) { finished.next() } else { None } {
                Some(Finished::Done) => Ok(()),
                Some(Finished::Lost) => lost,
                Some(Finished::Laned) | None => {
                    rest.push(settlement.clone());
                    places.push(place);
                    lost
                }
            });
        }
        if !rest.is_empty() {
            let settled = self.settle.ask(rest, 0).await?;
            for (place, settled) in places.into_iter().zip(settled) {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = settled;
                }
            }
        }
        Ok(answers)
    }

    async fn wait(&self, seen: Wakeup) -> Result<Wakeup, QueueError> {
        self.work.wakeups.wait(seen).await.ok_or(QueueError::Closed)
    }

    async fn depth(&self, queue: Option<&Name>) -> Result<Depth, QueueError> {
        let mut total = Depth::default();
        self.work.run(&CountAll(queue)).await?.into_values().for_each(|depth| total += depth);
        Ok(total)
    }

    async fn depths(&self) -> Result<Vec<(Name, bool, Depth)>, QueueError> {
        let queues = self.queues().await?;
        let mut depths = self.work.run(&CountAll(None)).await?;
        let of = |(name, is_paused): (Name, bool)| {
            let depth = depths.remove(name.as_str()).unwrap_or_default();
            (name, is_paused, depth)
        };
        Ok(queues.into_iter().map(of).collect())
    }

    async fn queues(&self) -> Result<Vec<(Name, bool)>, QueueError> {
        self.work.run(&Queues).await
    }

    async fn set_paused(&self, queue: &Name, paused: bool) -> Result<(), QueueError> {
        self.work.run(&SetPaused(queue, paused)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<StoredMessage>, QueueError> {
        self.work.run(&Find(id)).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<StoredMessage>, QueueError> {
        self.work.run(&List(filter, page)).await
    }

    async fn replay(
        &self,
        id: Uuid,
        payload: Option<Map<String, Value>>,
        at: Option<SystemTime>,
    ) -> Result<bool, QueueError> {
        let max_bytes = self.options.max_message_bytes;
        self.work.run(&Replay { id, payload: payload.as_ref(), at, max_bytes }).await
    }

    async fn cancel(&self, ids: &[Uuid]) -> Result<u64, QueueError> {
        self.check_open()?;
        let mut count = 0;
        for together in ids.chunks(people::TOGETHER) {
            count += self.work.run(&Cancel(together)).await?;
        }
        Ok(count)
    }

    async fn purge(&self, filter: &Filter) -> Result<u64, QueueError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = Page { after, max: people::TOGETHER };
            let ids = self.work.run(&ListIds(filter, page)).await?;
            count += self.work.run(&Cancel(&ids)).await?;
            after = ids.last().copied();
            if ids.len() < people::TOGETHER {
                return Ok(count);
            }
        }
    }

    async fn sweep(&self) -> Result<(), QueueError> {
        while self.work.run(&Sweep).await? {}
        Ok(())
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.work.closed.store(true, Ordering::Release);
        self.work.wakeups.close();
        self.listener.end();
        self.work.pool.close();
        Ok(())
    }
}
