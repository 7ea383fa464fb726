//! Random schedules: what can happen to a subscription, in any order.

use std::time::Duration;

use dispatch_core::policy::{Jitter, RateLimit, RetryPolicy};
use dispatch_core::subscription::{Exhausted, Resolution, SubscriptionConfig, SubscriptionType};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// How the subscription is set up.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) kind: SubscriptionType,
    pub(super) window: u32,
    exhausted: Exhausted,
    max_retries: u32,
    max_aside: usize,
    rate: Option<u32>,
    /// Records of messages that wait aside, and that need not be read again.
    pub(super) records: usize,
    /// What the state asks for is answered late, in any order, or not as it wishes.
    pub(super) by_hand: bool,
}

impl Setup {
    pub(super) fn config(&self) -> SubscriptionConfig {
        let retry = RetryPolicy::default()
            .with_max_retries(self.max_retries)
            .with_base(Duration::from_millis(100))
            .with_cap(Duration::from_secs(2))
            .with_jitter(Jitter::None)
            .without_budget();
        let mut config = SubscriptionConfig::new("model", "model.events")
            .of_type(self.kind)
            .with_window(self.window)
            .with_ack_timeout(ACK_TIMEOUT)
            .with_cursor_interval(Duration::from_secs(1))
            .with_retry(retry)
            .when_exhausted(self.exhausted);
        config.max_aside = self.max_aside;
        config.rate = self.rate.map(RateLimit::per_second);
        config
    }

    /// Whether nothing but the window and the consumers holds a message back.
    pub(super) const fn is_prompt(&self) -> bool {
        !self.by_hand && self.rate.is_none()
    }
}

/// How long a consumer may take.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_millis(3_000);

/// Something that happens. An [`Index`] picks one of those that are there at that time.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Publish {
        count: usize,
        key: Option<u8>,
        delay: u64,
        ttl: Option<u64>,
        heard: bool,
    },
    /// Of consumer `A`, `B`, `C` or `D`: comes if it is not there.
    Add(u8),
    Disconnect(u8),
    PauseConsumer(u8, bool),
    /// It dies and will be started again, or is.
    SetDown(u8, bool),
    Ack(Index),
    AckUpTo(Index),
    Nack {
        which: Index,
        delay: Option<u64>,
        terminal: bool,
    },
    /// An answer for any delivery there ever was.
    OldAck(Index),
    /// An answer by a consumer that has something else.
    ForeignAck(Index, u64),
    Advance(u64),
    /// The thread is away for so long, while consumers answer these.
    Stall(u64, Vec<Index>),
    /// The world does something that was asked for, or fails to; the state learns it later.
    Do {
        which: Index,
        fails: bool,
    },
    /// The state learns what the world has done.
    Tell(Index),
    Seek(Index),
    Window(u32),
    Pause(bool),
    Resolve(Index, u8),
    Flush,
    /// The log forgets the older part of what it has.
    Trim(Index),
    /// A heartbeat: the state is told how long the log is.
    Hear,
    Restart,
}

impl Op {
    pub(super) const fn resolution(choice: u8) -> Resolution {
        match choice {
            0 => Resolution::Retry,
            1 => Resolution::Skip,
            _ => Resolution::Park,
        }
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    use SubscriptionType::{Exclusive, Failover, KeyShared, Shared};
    let kind = select(vec![Exclusive, Failover, Shared, KeyShared, KeyShared]);
    let exhausted = select(vec![Exhausted::Block, Exhausted::Park, Exhausted::Drop, Exhausted::DeadLetter]);
    let max_aside = prop_oneof![3 => Just(1_000), 1 => 1..6_usize];
    let rate = prop_oneof![4 => Just(None), 1 => (1..50_u32).prop_map(Some)];
    let records = prop_oneof![1 => Just(1_024), 1 => 0..4_usize];
    (kind, 1..=8_u32, exhausted, 0..=3_u32, max_aside, rate, records, any::<bool>()).prop_map(
        |(kind, window, exhausted, max_retries, max_aside, rate, records, by_hand)| Setup {
            kind,
            window,
            exhausted,
            max_retries,
            max_aside,
            rate,
            records,
            by_hand,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let key = prop_oneof![1 => Just(None), 3 => (0..5_u8).prop_map(Some)];
    let delay = prop_oneof![6 => Just(0), 1 => 1..5_000_u64];
    let ttl = prop_oneof![8 => Just(None), 1 => (1..5_000_u64).prop_map(Some)];
    let nack_delay = prop_oneof![2 => Just(None), 2 => (0..3_000_u64).prop_map(Some)];
    let step = prop_oneof![3 => 1..400_u64, 2 => Just(100_u64), 2 => Just(1_000), 1 => Just(3_000), 1 => 1..20_000_u64];
    prop_oneof![
        10 => (1..6_usize, key, delay, ttl, prop::bool::weighted(0.8))
            .prop_map(|(count, key, delay, ttl, heard)| Op::Publish { count, key, delay, ttl, heard }),
        5 => (0..4_u8).prop_map(Op::Add),
        3 => (0..4_u8).prop_map(Op::Disconnect),
        2 => (0..4_u8, any::<bool>()).prop_map(|(name, paused)| Op::PauseConsumer(name, paused)),
        4 => (0..4_u8, any::<bool>()).prop_map(|(name, down)| Op::SetDown(name, down)),
        14 => any::<Index>().prop_map(Op::Ack),
        2 => any::<Index>().prop_map(Op::AckUpTo),
        8 => (any::<Index>(), nack_delay, prop::bool::weighted(0.1))
            .prop_map(|(which, delay, terminal)| Op::Nack { which, delay, terminal }),
        2 => any::<Index>().prop_map(Op::OldAck),
        1 => (any::<Index>(), 0..6_u64).prop_map(|(which, by)| Op::ForeignAck(which, by)),
        8 => step.prop_map(Op::Advance),
        3 => (1..20_000_u64, prop::collection::vec(any::<Index>(), 0..5))
            .prop_map(|(time, answers)| Op::Stall(time, answers)),
        8 => (any::<Index>(), prop::bool::weighted(0.2)).prop_map(|(which, fails)| Op::Do { which, fails }),
        8 => any::<Index>().prop_map(Op::Tell),
        1 => any::<Index>().prop_map(Op::Seek),
        1 => (1..=8_u32).prop_map(Op::Window),
        1 => any::<bool>().prop_map(Op::Pause),
        2 => (any::<Index>(), 0..3_u8).prop_map(|(which, how)| Op::Resolve(which, how)),
        1 => Just(Op::Flush),
        1 => any::<Index>().prop_map(Op::Trim),
        1 => Just(Op::Hear),
        1 => Just(Op::Restart),
    ]
}

/// A subscription and what happens to it.
pub(super) fn schedule() -> impl Strategy<Value = (Setup, Vec<Op>)> {
    (setup(), prop::collection::vec(op(), 1..70))
}
