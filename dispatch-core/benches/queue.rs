//! The state of a queue of background messages alone: messages a second, with nothing around it.
//!
//! `cargo bench -p dispatch-core --bench queue`; name a group to run it alone, as in `-- claim`.
//! For instruction counts run the binary under callgrind with `--profile-time 1 cycle/alone`.

#![allow(clippy::expect_used, reason = "a benchmark is no library")]

use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dispatch_core::messenger::{DispatchOptions, Message, MessengerConfig, QueuedMessage};
use dispatch_core::queue::{Claim, LeaseToken, QueueState, Settlement, Submission, WorkerId};
use serde_json::json;
use uuid::Uuid;

/// Messages of a call, as a messenger hands them over.
const BATCH: usize = 100;
/// Messages that are due in a year.
const SCHEDULED: usize = 100_000;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A queue, and whoever sends, takes and settles.
struct Bench {
    state: QueueState,
    message: QueuedMessage,
    claim: Claim,
    now: SystemTime,
    /// Ordering keys that messages have in turn.
    keys: usize,
    sent: usize,
}

impl Bench {
    fn new(scheduled: usize, keys: usize) -> Self {
        let routing = MessengerConfig::default().check().expect("the configuration is valid");
        let message = Message::new("SendMail", &json!({ "text": "x".repeat(256) })).expect("it is valid");
        let now = SystemTime::now();
        let planned = routing.plan(&message, &DispatchOptions::default(), now, Uuid::now_v7);
        let message = planned.expect("it is valid").remove(0);
        let claim = Claim {
            worker: WorkerId::new("one"),
            queues: vec![message.queue.clone()],
            max: BATCH,
            lease: Duration::from_secs(60),
        };
        let mut bench = Self { state: QueueState::default(), message, claim, now, keys, sent: 0 };
        for _ in 0..scheduled / BATCH {
            let mut later = bench.submissions();
            later.iter_mut().for_each(|later| later.message.available_at = now + YEAR);
            bench.enqueue(later);
        }
        bench
    }

    fn submissions(&mut self) -> Vec<Submission> {
        let submission = |number: usize| {
            let mut message = self.message.clone();
            message.id = Uuid::now_v7();
            message.ordering_key = (self.keys > 0).then(|| format!("customer-{}", number % self.keys));
            Submission::new(message)
        };
        self.sent += BATCH;
        (self.sent..self.sent + BATCH).map(submission).collect()
    }

    fn enqueue(&mut self, submissions: Vec<Submission>) {
        for submission in submissions {
            self.state.enqueue(submission, self.now).expect("there is room");
        }
    }

    fn claimed(&mut self) -> Vec<LeaseToken> {
        let claimed = self.state.claim(&self.claim, self.now);
        claimed.messages.into_iter().map(|leased| leased.token).collect()
    }

    fn settle(&mut self, tokens: Vec<LeaseToken>) {
        for token in tokens {
            self.state.settle(Settlement::done(token), self.now).expect("nobody else has it");
        }
    }

    /// A batch goes through; how long each of the steps took.
    fn round(&mut self) -> [Duration; 3] {
        let submissions = self.submissions();
        let begun = Instant::now();
        self.enqueue(submissions);
        let stored = Instant::now();
        let tokens = self.claimed();
        let claimed = Instant::now();
        assert_eq!(tokens.len(), BATCH, "something was not due");
        self.settle(tokens);
        [stored - begun, claimed - stored, claimed.elapsed()]
    }
}

const SCENES: [(&str, usize, usize); 3] =
    [("alone", 0, 0), ("beside 100000 scheduled", SCHEDULED, 0), ("of 1000 ordering keys", 0, 1_000)];

fn steps(c: &mut Criterion) {
    for (step, what) in ["enqueue", "claim", "settle"].into_iter().enumerate() {
        let mut group = c.benchmark_group(what);
        group.throughput(Throughput::Elements(BATCH as u64));
        for (name, scheduled, keys) in SCENES {
            group.bench_function(name, |b| {
                let mut bench = Bench::new(scheduled, keys);
                b.iter_custom(|rounds| (0..rounds).map(|_| bench.round()[step]).sum());
            });
        }
        group.finish();
    }
}

fn cycle(c: &mut Criterion) {
    let mut group = c.benchmark_group("cycle");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, scheduled, keys) in SCENES {
        group.bench_function(name, |b| {
            let mut bench = Bench::new(scheduled, keys);
            b.iter(|| bench.round());
        });
    }
    group.finish();
}

criterion_group!(benches, steps, cycle);
criterion_main!(benches);
