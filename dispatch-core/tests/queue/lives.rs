//! Random lives of a queue: every answer and every state is that of the model, whatever the clock does.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerConfig, Name, QueuedMessage, Routing, TransportConfig,
};
use dispatch_core::queue::{
    Attempt, Claim, Enqueued, Filter, LeaseToken, MessageState, Outcome, Page, QueueError, QueueLimits,
    QueueState, Remember, Settlement, Submission, WorkerId,
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::model::{Model, Stored};
use crate::step::{How, Step, millis, steps};

const QUEUES: [&str; 3] = ["mail", "reports", "default"];

/// A queue, its model, and everything that was ever given out.
struct Life {
    queue: QueueState,
    model: Model,
    routing: Routing,
    now: SystemTime,
    sent: Vec<Submission>,
    tokens: Vec<(LeaseToken, u32)>,
}

impl Life {
    fn new(limits: QueueLimits) -> Self {
        let config = MessengerConfig {
            transports: BTreeMap::from([(
                "default".to_owned(),
                TransportConfig { kind: "memory".to_owned(), ..TransportConfig::default() },
            )]),
            ..MessengerConfig::default()
        };
        Self {
            queue: QueueState::new(limits),
            model: Model::new(limits),
            routing: config.check().unwrap(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            sent: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn message(&self, options: &DispatchOptions) -> QueuedMessage {
        let message = Message::new("SendMail", &json!({ "number": self.sent.len() })).unwrap();
        // Ids in the order of dispatch.
        let mut next = self.sent.len() as u128 * 2;
        let mut id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        self.routing.plan(&message, options, self.now, &mut id).unwrap().remove(0)
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Enqueue { queue, priority, delay, ttl, key, lane, duplicates, forever } => {
                let options = DispatchOptions {
                    queue: Some(QUEUES[queue].to_owned()),
                    priority: Some(priority),
                    delay: Some(millis(delay)),
                    ttl: ttl.map(millis),
                    idempotency_key: key.map(|key| format!("key-{key}")),
                    ordering_key: lane.map(|lane| format!("lane-{lane}")),
                    ..DispatchOptions::default()
                };
                let until = (!forever).then(|| self.now + millis(50));
                let message = self.message(&options);
                let submission = Submission::new(message).remembered(Remember { until, duplicates });
                self.enqueue(submission.clone())?;
                self.sent.push(submission);
            }
            Step::EnqueueAgain(which) => {
                if let Some(submission) = pick(&self.sent, which).cloned() {
                    self.enqueue(submission)?;
                }
            }
            Step::Claim { worker, queues, max, lease } => self.claim(worker, queues, max, lease)?,
            Step::Settle { token, how } => self.settle(token, how)?,
            Step::Extend { token, lease } => {
                if let Some((token, _)) = pick(&self.tokens, token).cloned() {
                    let model = self.model.extend(&token, millis(lease), self.now);
                    let real = self.queue.extend(&token, millis(lease), self.now);
                    prop_assert_eq!(real.ok(), model.then(|| self.now + millis(lease)));
                }
            }
            Step::Replay { message, delay } => {
                if let Some(id) = pick(&self.sent, message).map(|it| it.message.id) {
                    let at = delay.map(|delay| self.now + millis(delay));
                    let model = self.model.replay(id, at.unwrap_or(self.now));
                    prop_assert_eq!(self.queue.replay(id, None, at, self.now), model);
                }
            }
            Step::Cancel(message) => {
                if let Some(id) = pick(&self.sent, message).map(|it| it.message.id) {
                    prop_assert_eq!(self.queue.cancel([id]), self.model.cancel(id));
                }
            }
            Step::Pause { queue, paused } => {
                let queue = name(QUEUES[queue]);
                self.model.set_paused(&queue, paused);
                self.queue.set_paused(&queue, paused);
            }
            Step::Sweep => {
                self.model.sweep(self.now);
                self.queue.sweep(self.now);
            }
            Step::Pass { millis: time, back: false } => self.now += millis(time),
            Step::Pass { millis: time, back: true } => self.now -= millis(time),
        }
        self.compare()
    }

    fn enqueue(&mut self, submission: Submission) -> Result<(), TestCaseError> {
        let id = submission.message.id;
        let wanted = self.model.enqueue(&submission, self.now);
        let found = match self.queue.enqueue(submission, self.now) {
            Ok(Enqueued { duplicate_of: Some(of), .. }) => Stored::DuplicateOf(of),
            Ok(Enqueued { replaced: Some(of), .. }) => Stored::InPlaceOf(of),
            Ok(stored) if stored == Enqueued::stored(id) => Stored::Yes,
            Err(QueueError::Duplicate { of }) => Stored::Refused(of),
            Err(QueueError::Full { .. }) => Stored::Full,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(found, wanted);
        Ok(())
    }

    fn claim(&mut self, worker: usize, queues: usize, max: usize, lease: u64) -> Result<(), TestCaseError> {
        let chosen = QUEUES.iter().enumerate().filter(|(place, _)| queues & (1 << place) != 0);
        let claim = Claim {
            worker: WorkerId::new(format!("worker-{worker}")),
            queues: chosen.map(|(_, queue)| name(queue)).collect(),
            max,
            lease: millis(lease),
        };
        let (ids, expired, next_due) = self.model.claim(&claim, self.now);
        let claimed = self.queue.claim(&claim, self.now);
        prop_assert_eq!(claimed.messages.iter().map(|it| it.token.id).collect::<Vec<_>>(), ids);
        prop_assert_eq!((claimed.expired, claimed.next_due), (expired, next_due));
        for leased in claimed.messages {
            let known = &self.model.messages[&leased.token.id];
            prop_assert_eq!((leased.attempt, leased.series), (known.attempts, known.series));
            prop_assert!(
                self.tokens.iter().all(|(token, _)| *token != leased.token),
                "a token was given out twice"
            );
            self.tokens.push((leased.token, leased.attempt));
        }
        Ok(())
    }

    fn settle(&mut self, token: usize, how: How) -> Result<(), TestCaseError> {
        let Some((token, number)) = pick(&self.tokens, token).cloned() else { return Ok(()) };
        let attempt = Attempt {
            series: 0,
            number,
            worker: token.worker.clone(),
            started_at: self.now,
            waited: Duration::ZERO,
            ran: Some(Duration::ZERO),
            error: "it broke".to_owned(),
            unrecoverable: false,
        };
        let outcome = match how {
            How::Done => Outcome::Done,
            How::Retry(delay) => {
                Outcome::Retry { at: self.now + millis(delay), attempt, succeeded: Vec::new() }
            }
            How::Failed => Outcome::Failed { attempt, succeeded: Vec::new() },
            How::Release(delay) => Outcome::Release { at: delay.map(|delay| self.now + millis(delay)) },
        };
        let settlement = Settlement { token, outcome };
        let wanted = self.model.settle(&settlement, self.now);
        let found = self.queue.settle(settlement, self.now);
        prop_assert_eq!(found.is_ok(), wanted);
        Ok(())
    }

    /// Everything that can be seen is the same in both.
    fn compare(&self) -> Result<(), TestCaseError> {
        let listed: Vec<_> = self.queue.list(&Filter::all(), Page::first(usize::MAX)).collect();
        prop_assert_eq!(listed.len(), self.model.messages.len());
        for (found, known) in listed.iter().zip(self.model.messages.values()) {
            let wanted = (known.id, self.model.state(known), known.due, known.attempts, known.claim);
            let seen = (found.id, found.state, found.due_at, found.attempts, found.claim);
            prop_assert_eq!(seen, wanted);
            prop_assert_eq!(found.series, known.series);
            prop_assert_eq!(found.history.as_slice().len(), known.failures.min(32) as usize);
            prop_assert_eq!(found.lease.is_some(), found.state == MessageState::Leased);
        }
        for queue in QUEUES {
            let queue = name(queue);
            let depth = self.queue.depth(Some(&queue), self.now);
            let of = |wanted: &dyn Fn(&crate::model::Message) -> bool| {
                self.model.messages.values().filter(|it| it.queue == queue && wanted(it)).count() as u64
            };
            let is = |state: MessageState| of(&|it| self.model.state(it) == state);
            let due = |it: &crate::model::Message| {
                self.model.state(it) == MessageState::Ready && it.due <= self.now
            };
            prop_assert_eq!(depth.ready, of(&due));
            prop_assert_eq!(depth.scheduled, is(MessageState::Ready) - of(&due));
            prop_assert_eq!(depth.waiting, is(MessageState::Waiting));
            prop_assert_eq!(depth.leased, is(MessageState::Leased));
            prop_assert_eq!(depth.failed, is(MessageState::Failed));
            prop_assert_eq!(depth.done, is(MessageState::Done) + is(MessageState::Expired));
        }
        Ok(())
    }

    /// Whatever is open can be brought to an end, each message by one owner at a time.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        for queue in QUEUES {
            self.queue.set_paused(&name(queue), false);
        }
        let claim = Claim {
            worker: WorkerId::new("last"),
            queues: QUEUES.iter().map(|queue| name(queue)).collect(),
            max: 7,
            lease: millis(1),
        };
        let open = |queue: &QueueState, now| queue.depth(None, now).open();
        let bound = open(&self.queue, self.now) + 1;
        for _ in 0..=bound {
            // All that is due later is due by then, and no lease still runs.
            self.now += Duration::from_secs(60);
            for leased in self.queue.claim(&claim, self.now).messages {
                self.queue.settle(Settlement::done(leased.token), self.now).unwrap();
            }
        }
        prop_assert_eq!(open(&self.queue, self.now), 0, "something is never handled");
        Ok(())
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn pick<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}

fn limits() -> impl Strategy<Value = QueueLimits> {
    (1..4usize, prop_oneof![Just(0), Just(30u64)], prop_oneof![3 => Just(1_000), 1 => 1..10usize]).prop_map(
        |(per_key, keep_done, max_messages)| QueueLimits {
            per_key,
            keep_done: millis(keep_done),
            max_messages,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::runs(400)))]

    #[test]
    fn a_queue_does_what_its_model_does(limits in limits(), steps in steps()) {
        let mut life = Life::new(limits);
        for step in steps {
            life.step(step)?;
        }
        life.drain()?;
    }
}
