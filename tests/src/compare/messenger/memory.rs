//! The queue in memory, without anything around it: enqueue, claim and settle in batches.

use std::time::{Duration, SystemTime};

use dispatch_adapters::model::messenger::{DispatchOptions, MessengerConfig};
use dispatch_adapters::model::queue::{Claim, MemoryQueue, MessageQueue, Settlement, Submission, WorkerId};
use uuid::Uuid;

use super::TOGETHER;
use super::place::message;
use crate::compare::cli::Options;
use crate::compare::engine::load;
use crate::compare::measure::{Contender, Effort, measure};
use crate::compare::memory::allocations;
use crate::compare::report::{Report, Row, Target};

pub(super) const BENCH: &str = "messenger.memory.queue";

/// Messages go through it from one end to the other, so many in a call.
pub(super) fn contender() -> Contender {
    let (runtime, queue) = (load::runtime(), MemoryQueue::new("default"));
    let routing = MessengerConfig::default().check().expect("the configuration is valid");
    let plan = || routing.plan(&message(), &DispatchOptions::default(), SystemTime::now(), Uuid::now_v7);
    let planned = plan().expect("the message is valid").remove(0);
    let claim = Claim {
        worker: WorkerId::new("one"),
        queues: vec![planned.queue.clone()],
        max: TOGETHER,
        lease: Duration::from_secs(60),
    };
    Contender::new("memory queue", move |operations| {
        runtime.block_on(async {
            let mut left = usize::try_from(operations).expect("it is small");
            while left > 0 {
                let now = left.min(TOGETHER);
                let fresh = || {
                    let mut message = planned.clone();
                    message.id = Uuid::now_v7();
                    Submission::new(message)
                };
                let stored = queue.enqueue((0..now).map(|_| fresh()).collect()).await;
                assert!(stored.expect("it is open").iter().all(Result::is_ok));
                let claimed = queue.claim(&claim).await.expect("it is open").messages;
                assert_eq!(claimed.len(), now);
                let done = claimed.into_iter().map(|leased| Settlement::done(leased.token)).collect();
                assert!(queue.settle(done).await.expect("it is open").iter().all(Result::is_ok));
                left -= now;
            }
        });
    })
}

pub(super) fn run(options: &Options, effort: Effort, report: &Report) {
    if !options.wants(BENCH) {
        return;
    }
    let mut contenders = [contender()];
    let figures = measure(&mut contenders, effort);
    let operations = 64 * 1024;
    report.print(&Row {
        bench: BENCH.to_owned(),
        cpu_ns: figures[0].cpu_ns,
        wall_ns: figures[0].wall_ns,
        allocations: Some(allocations(operations, || contenders[0].run(operations))),
        peer: None,
        target: Some(Target::PerSecond(500_000.0)),
        extra: Vec::new(),
    });
}
