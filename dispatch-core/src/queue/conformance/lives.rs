use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

use super::SuiteClock;
use super::talk::Talk;
use crate::messenger::{DispatchOptions, Duplicates, Message, Name, Routing};
use crate::queue::{
    Attempt, Claim, Filter, LeaseToken, MessageQueue, Outcome, Page, QueueError, QueueLimits, QueueState,
    Remember, Settlement, StoredMessage, Submission, WorkerId,
};
use crate::time::Clock;

/// Random lives of a queue: whatever happens, and whatever the clock does, every answer and everything that can be seen
/// is that of [`QueueState`].
///
/// A life follows from its seed. One that goes wrong says with which step, and what the step was.
#[must_use = "a life does nothing until it is lived"]
pub struct Life {
    queue: Arc<dyn MessageQueue>,
    clock: SuiteClock,
    limits: QueueLimits,
    prefix: String,
    steps: usize,
    seed: u64,
}

/// The other side of a life: the model, and what was sent and given out.
struct Living {
    life: Life,
    random: StdRng,
    model: QueueState,
    routing: Routing,
    names: Vec<Name>,
    sent: Vec<Submission>,
    /// Tokens of the queue and of the model, with the attempt.
    tokens: Vec<(LeaseToken, LeaseToken, u32)>,
    first_id: Uuid,
}

type Lived = Result<(), String>;

impl Life {
    /// A life of 200 steps of a queue that takes its time from a clock, and was made with these limits.
    pub fn new(queue: Arc<dyn MessageQueue>, clock: SuiteClock, limits: QueueLimits, seed: u64) -> Self {
        Self { queue, clock, limits, prefix: format!("life-{seed}"), steps: 200, seed }
    }

    /// Begins names with this: new for each life on the same store.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how many things happen.
    pub const fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Lives it.
    ///
    /// # Errors
    /// What was different, and when.
    pub async fn live(self) -> Lived {
        let said = |error: &dyn std::error::Error| error.to_string();
        let routing = Talk::routing(self.queue.name()).map_err(|error| said(&error))?;
        let names = (0..3).map(|number| Name::new(format!("{}-{number}", self.prefix)));
        let names = names.collect::<Result<Vec<_>, _>>().map_err(|error| said(&error))?;
        let mut living = Living {
            random: StdRng::seed_from_u64(self.seed),
            model: QueueState::new(self.limits),
            routing,
            names,
            sent: Vec::new(),
            tokens: Vec::new(),
            first_id: Talk::first_id(self.clock.now()),
            life: self,
        };
        for step in 0..living.life.steps {
            let mut what = String::new();
            let done = living.step(&mut what).await;
            let compared = match done {
                Ok(()) => living.compare().await,
                Err(error) => Err(error),
            };
            let seed = living.life.seed;
            compared.map_err(|found| format!("seed {seed}, step {step} ({what}): {found}"))?;
        }
        living.leave().await
    }
}

impl Living {
    async fn step(&mut self, what: &mut String) -> Lived {
        let now = self.life.clock.now();
        match self.random.random_range(0..36) {
            0..9 => {
                let submission = self.submission()?;
                *what = format!("enqueue {:?}", submission.message);
                self.sent.push(submission.clone());
                self.enqueue(submission).await
            }
            9 => {
                *what = "enqueue again".to_owned();
                match self.sent.choose(&mut self.random).cloned() {
                    Some(submission) => self.enqueue(submission).await,
                    None => Ok(()),
                }
            }
            10..17 => self.claim(what).await,
            17..26 => self.settle(what).await,
            26 | 27 => {
                let lease = self.span(1, 60);
                let Some((real, known, _)) = self.tokens.choose(&mut self.random).cloned() else {
                    return Ok(());
                };
                *what = format!("extend {real:?} by {lease:?}");
                let found = self.life.queue.extend(&[real], lease).await.map_err(text)?;
                let found: Vec<_> = found.into_iter().map(Result::ok).collect();
                same(&found, &vec![self.model.extend(&known, lease, now).ok()])
            }
            28 | 29 => {
                let Some(id) = self.any_id() else { return Ok(()) };
                let at = self.random.random_bool(0.5).then(|| now + self.span(0, 40));
                let payload =
                    json!({ "edited": true }).as_object().cloned().filter(|_| self.random.random_bool(0.3));
                *what = format!("replay {id} at {at:?}");
                let found = self.life.queue.replay(id, payload.clone(), at).await.map_err(text)?;
                same(&found, &self.model.replay(id, payload, at, now))
            }
            30 => {
                let Some(id) = self.any_id() else { return Ok(()) };
                *what = format!("cancel {id}");
                same(&self.life.queue.cancel(&[id]).await.map_err(text)?, &self.model.cancel([id]))
            }
            31 => {
                let paused = self.random.random_bool(0.5);
                let Some(name) = self.names.choose(&mut self.random).cloned() else { return Ok(()) };
                *what = format!("pause {name}: {paused}");
                self.model.set_paused(&name, paused);
                self.life.queue.set_paused(&name, paused).await.map_err(text)
            }
            32 => {
                *what = "sweep".to_owned();
                self.model.sweep(now);
                self.life.queue.sweep().await.map_err(text)
            }
            _ => {
                let time = self.span(1, 40);
                *what = format!("{time:?} pass");
                if self.random.random_bool(0.1) {
                    self.life.clock.go_back(time);
                } else {
                    self.life.clock.pass(time);
                }
                Ok(())
            }
        }
    }

    fn submission(&mut self) -> Result<Submission, String> {
        let mut chance = |probability| self.random.random_bool(probability);
        let (scheduled, expires, keyed, laned, forever) =
            (chance(0.3), chance(0.2), chance(0.4), chance(0.5), chance(0.5));
        let (delay, ttl, until) = (self.span(0, 60), self.span(1, 80), self.span(1, 80));
        let now = self.life.clock.now();
        let options = DispatchOptions {
            queue: self.names.choose(&mut self.random).map(|name| name.as_str().to_owned()),
            priority: Some(self.random.random_range(1..=10)),
            delay: scheduled.then_some(delay),
            ttl: expires.then_some(ttl),
            idempotency_key: keyed
                .then(|| format!("{}-{}", self.life.prefix, self.random.random_range(0..4))),
            ordering_key: laned.then(|| format!("{}-{}", self.life.prefix, self.random.random_range(0..3))),
            ..DispatchOptions::default()
        };
        let policies = [Duplicates::ReturnExisting, Duplicates::Reject, Duplicates::Replace];
        let duplicates = policies.choose(&mut self.random).copied().unwrap_or_default();
        let message =
            Message::new("Life", &json!({ "number": self.sent.len() })).map_err(|error| error.to_string())?;
        let mut next = self.first_id.as_u128() + self.sent.len() as u128 * 2;
        let mut id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        let planned =
            self.routing.plan(&message, &options, now, &mut id).map_err(|error| error.to_string())?;
        let message = planned.into_iter().next().ok_or("nothing was planned")?;
        let until = (!forever).then(|| now + until);
        Ok(Submission::new(message).remembered(Remember { until, duplicates }))
    }

    async fn enqueue(&mut self, submission: Submission) -> Lived {
        let found = self.life.queue.enqueue(vec![submission.clone()]).await.map_err(text)?;
        let wanted = self.model.enqueue(submission, self.life.clock.now());
        let shown = |answer: Result<_, QueueError>| answer.map_err(text);
        same(&found.into_iter().map(shown).collect(), &vec![shown(wanted)])
    }

    async fn claim(&mut self, what: &mut String) -> Lived {
        let queues = self.names.iter().filter(|_| self.random.random_bool(0.6)).cloned().collect();
        let claim = Claim {
            worker: WorkerId::new(format!("{}-{}", self.life.prefix, self.random.random_range(0..3))),
            queues,
            max: self.random.random_range(0..5),
            lease: self.span(1, 60),
        };
        *what = format!("{claim:?}");
        let found = self.life.queue.claim(&claim).await.map_err(text)?;
        let wanted = self.model.claim(&claim, self.life.clock.now());
        same(&(found.expired, found.messages.len()), &(wanted.expired, wanted.messages.len()))?;
        // Leases of others in the same store may end sooner.
        let late = found.next_due.is_none_or(|found| wanted.next_due.is_some_and(|wanted| found > wanted));
        if wanted.next_due.is_some() && late {
            return Err(format!("the next is due at {:?}, not at {:?}", found.next_due, wanted.next_due));
        }
        for (mut found, wanted) in found.messages.into_iter().zip(wanted.messages) {
            let token = std::mem::replace(&mut found.token, wanted.token.clone());
            same(&found, &wanted)?;
            if self.tokens.iter().any(|(known, ..)| *known == token) {
                return Err(format!("{token:?} was given out twice"));
            }
            self.tokens.push((token, wanted.token, wanted.attempt));
        }
        Ok(())
    }

    async fn settle(&mut self, what: &mut String) -> Lived {
        let now = self.life.clock.now();
        let Some((real, known, number)) = self.tokens.choose(&mut self.random).cloned() else {
            return Ok(());
        };
        let attempt = Attempt {
            series: 0,
            number,
            worker: real.worker.clone(),
            started_at: now,
            waited: self.span(0, 9),
            ran: Some(self.span(0, 9)),
            error: format!("error {number}"),
            unrecoverable: false,
        };
        let at = now + self.span(0, 40);
        let outcome = match self.random.random_range(0..8) {
            0..3 => Outcome::Done,
            3 | 4 => Outcome::Retry { at, attempt, succeeded: vec!["one".to_owned()] },
            5 | 6 => Outcome::Failed { attempt, succeeded: Vec::new() },
            _ => Outcome::Release { at: self.random.random_bool(0.5).then_some(at) },
        };
        *what = format!("settle {real:?}: {outcome:?}");
        let settlement = Settlement { token: real, outcome: outcome.clone() };
        let found = self.life.queue.settle(vec![settlement]).await.map_err(text)?;
        let wanted = self.model.settle(Settlement { token: known, outcome }, now);
        let shown = |answer: Result<(), QueueError>| answer.map_err(text);
        same(&found.into_iter().map(shown).collect(), &vec![shown(wanted)])
    }

    /// Everything that can be seen is the same.
    async fn compare(&self) -> Lived {
        let now = self.life.clock.now();
        for name in &self.names {
            let filter = Filter::all().in_queue(name.clone());
            let listed = self.life.queue.list(&filter, Page::first(usize::MAX)).await.map_err(text)?;
            let listed: Vec<_> = listed.into_iter().map(unclaimed).collect();
            let wanted = self.model.list(&filter, Page::first(usize::MAX)).cloned().map(unclaimed);
            same(&listed, &wanted.collect())?;
            same(
                &self.life.queue.depth(Some(name)).await.map_err(text)?,
                &self.model.depth(Some(name), now),
            )?;
        }
        Ok(())
    }

    /// Brings everything to an end, each message by one owner at a time, and leaves nothing behind.
    async fn leave(mut self) -> Lived {
        for name in self.names.clone() {
            self.life.queue.set_paused(&name, false).await.map_err(text)?;
            self.model.set_paused(&name, false);
        }
        let worker = WorkerId::new(format!("{}-last", self.life.prefix));
        let claim = Claim { worker, queues: self.names.clone(), max: 7, lease: Duration::from_millis(1) };
        for _ in 0..=self.sent.len() {
            // All that is due later is due by then, and no lease still runs.
            self.life.clock.pass(Duration::from_secs(60));
            let claimed = self.life.queue.claim(&claim).await.map_err(text)?;
            let wanted = self.model.claim(&claim, self.life.clock.now());
            let done = |leased: crate::queue::Leased| Settlement::done(leased.token);
            for settlement in wanted.messages.into_iter().map(done) {
                self.model.settle(settlement, self.life.clock.now()).map_err(text)?;
            }
            let settled = self.life.queue.settle(claimed.messages.into_iter().map(done).collect()).await;
            settled.map_err(text)?.into_iter().collect::<Result<(), _>>().map_err(text)?;
        }
        self.compare().await?;
        for name in &self.names {
            let depth = self.life.queue.depth(Some(name)).await.map_err(text)?;
            if depth.open() > 0 {
                return Err(format!("seed {}: something is never handled: {depth:?}", self.life.seed));
            }
            self.life.queue.purge(&Filter::all().in_queue(name.clone())).await.map_err(text)?;
        }
        Ok(())
    }

    fn any_id(&mut self) -> Option<Uuid> {
        self.sent.choose(&mut self.random).map(|submission| submission.message.id)
    }

    fn span(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }
}

/// Without the number of its claim, which is one of many in a store.
fn unclaimed(stored: StoredMessage) -> StoredMessage {
    StoredMessage { claim: u64::from(stored.claim > 0), ..stored }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn text(error: QueueError) -> String {
    error.to_string()
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T) -> Lived {
    if found == wanted { Ok(()) } else { Err(format!("found\n  {found:?}\nbut wanted\n  {wanted:?}")) }
}
