use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::log::{LogRecord, Offset, OffsetRanges};
use dispatch_core::subscription::{ConsumerId, Resolution, TopicSlot};
use dispatch_core::{DeadLetter, Topic};
use tokio::sync::oneshot;

use super::{StopReport, SubscriptionInfo};
use crate::bus::BusError;
use crate::bus::consumer::MakeHandler;

/// Records that were just appended.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Pushed {
    pub(in crate::bus) topic: TopicSlot,
    pub(in crate::bus) records: Arc<Vec<LogRecord>>,
}

/// The log is longer than was known.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct HeadMoved {
    pub(in crate::bus) topic: TopicSlot,
    pub(in crate::bus) head: Offset,
}

/// The log of a topic has lost its end.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct EndFell {
    pub(in crate::bus) topic: TopicSlot,
    /// How far it was known to reach.
    pub(in crate::bus) known: Offset,
    /// Where it ends.
    pub(in crate::bus) end: Offset,
}

/// A topic belongs to the subscription from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct AddTopic {
    pub(in crate::bus) topic: Topic,
    pub(in crate::bus) next: Offset,
    pub(in crate::bus) settled: OffsetRanges,
    pub(in crate::bus) head: Offset,
    /// Whether the log has this cursor.
    pub(in crate::bus) stored: bool,
}

/// Somebody wants messages.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Connect {
    pub(in crate::bus) name: String,
    pub(in crate::bus) keys: Option<String>,
    pub(in crate::bus) make: MakeHandler,
    pub(in crate::bus) reply: oneshot::Sender<Result<ConsumerId, BusError>>,
}

/// The bus is gone: end without waiting for anything.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Abandon;

/// A consumer goes.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct Disconnect(pub(in crate::bus) ConsumerId);

/// A consumer gets nothing for now, or again.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) struct PauseConsumer {
    pub(in crate::bus) consumer: ConsumerId,
    pub(in crate::bus) paused: bool,
}

/// What somebody wants of the subscription.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::bus) enum Command {
    Pause(bool),
    Window(u32),
    Flush(oneshot::Sender<Result<(), BusError>>),
    Info(oneshot::Sender<SubscriptionInfo>),
    Seek {
        topic: Topic,
        to: SeekTo,
        reply: oneshot::Sender<Result<Offset, BusError>>,
    },
    Resolve {
        topic: Topic,
        offset: Offset,
        resolution: Resolution,
        reply: oneshot::Sender<Result<(), BusError>>,
    },
    Replay {
        letters: Vec<Arc<DeadLetter>>,
        reply: oneshot::Sender<Result<usize, BusError>>,
    },
    Stop {
        deadline: Duration,
        reply: oneshot::Sender<StopReport>,
    },
}

/// Where to go in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekTo {
    /// The oldest record that is kept.
    Earliest,
    /// What is published from now on.
    Latest,
    /// This offset.
    Offset(Offset),
    /// The first record that was appended at this time or later.
    Time(SystemTime),
}
