//! What may happen to a queue, and how it is drawn.

use std::time::Duration;

use dispatch_core::messenger::Duplicates;
use proptest::prelude::*;

/// One thing that happens. Numbers choose among what is there by then.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Enqueue {
        queue: usize,
        priority: i64,
        delay: u64,
        ttl: Option<u64>,
        key: Option<u8>,
        lane: Option<u8>,
        duplicates: Duplicates,
        /// Whether its key is remembered for good.
        forever: bool,
    },
    /// A message that was stored before is sent once more, as after an answer that was lost.
    EnqueueAgain(usize),
    Claim {
        worker: usize,
        queues: usize,
        max: usize,
        lease: u64,
    },
    Settle {
        token: usize,
        how: How,
    },
    Extend {
        token: usize,
        lease: u64,
    },
    Replay {
        message: usize,
        delay: Option<u64>,
    },
    Cancel(usize),
    Pause {
        queue: usize,
        paused: bool,
    },
    Sweep,
    /// Time goes on, or back.
    Pass {
        millis: u64,
        back: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Done,
    Retry(u64),
    Failed,
    Release(Option<u64>),
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120)
}

fn step() -> impl Strategy<Value = Step> {
    let short = 0..40u64;
    prop_oneof![
        8 => enqueue(),
        1 => any::<usize>().prop_map(Step::EnqueueAgain),
        6 => (0..3usize, 1..8usize, 0..5usize, 1..60u64)
            .prop_map(|(worker, queues, max, lease)| Step::Claim { worker, queues, max, lease }),
        8 => (any::<usize>(), how()).prop_map(|(token, how)| Step::Settle { token, how }),
        2 => (any::<usize>(), 1..60u64).prop_map(|(token, lease)| Step::Extend { token, lease }),
        2 => (any::<usize>(), prop::option::of(short.clone()))
            .prop_map(|(message, delay)| Step::Replay { message, delay }),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (0..3usize, any::<bool>()).prop_map(|(queue, paused)| Step::Pause { queue, paused }),
        1 => Just(Step::Sweep),
        4 => (short, prop::bool::weighted(0.1)).prop_map(|(millis, back)| Step::Pass { millis, back }),
    ]
}

fn enqueue() -> impl Strategy<Value = Step> {
    let policy =
        prop_oneof![Just(Duplicates::ReturnExisting), Just(Duplicates::Reject), Just(Duplicates::Replace)];
    let times = (prop_oneof![3 => Just(0), 1 => 0..60u64], prop::option::weighted(0.2, 1..80u64));
    let keys = (prop::option::weighted(0.4, 0..4u8), prop::option::weighted(0.5, 0..3u8));
    (0..3usize, 1..=10i64, times, keys, policy, any::<bool>()).prop_map(
        |(queue, priority, (delay, ttl), (key, lane), duplicates, forever)| Step::Enqueue {
            queue,
            priority,
            delay,
            ttl,
            key,
            lane,
            duplicates,
            forever,
        },
    )
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Done),
        2 => (0..40u64).prop_map(How::Retry),
        2 => Just(How::Failed),
        1 => prop::option::of(0..40u64).prop_map(How::Release),
    ]
}
