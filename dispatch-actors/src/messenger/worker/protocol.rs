use std::time::{Duration, SystemTime};

use actix::prelude::*;
use dispatch_core::DispatchResult;
use dispatch_core::messenger::Name;
use dispatch_core::queue::{Claimed, LeaseToken, QueueError, Settlement};
use tokio::time::Instant;

use super::WorkerInfo;
use super::telling::{Failed, Told};
use crate::Refused;

/// A transport has answered a claim.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ClaimAnswered {
    pub(super) source: usize,
    pub(super) asked: usize,
    pub(super) asked_at: Instant,
    /// The queues it was asked for, if they were looked up.
    pub(super) queues: Vec<Name>,
    /// Whether they were looked up for it.
    pub(super) looked_up: bool,
    pub(super) answer: Result<Claimed, QueueError>,
}

/// A transport has something, perhaps.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Woken {
    pub(super) source: usize,
}

/// The engine has answered.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Handled {
    pub(super) token: LeaseToken,
    pub(super) result: Result<DispatchResult, NotDispatched>,
    pub(super) ran: Duration,
}

/// Why a message did not get into the engine.
pub(super) enum NotDispatched {
    /// Its queue and type make no topic.
    NoTopic(String),
    /// The engine did not take it.
    Refused(Refused),
}

/// A transport has answered settlements.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SettleAnswered {
    pub(super) source: usize,
    pub(super) batch: Vec<Settlement>,
    pub(super) answer: Result<Vec<Result<(), QueueError>>, QueueError>,
}

/// A transport has answered an extension.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ExtendAnswered {
    /// Those that run on, and until when.
    pub(super) extended: Vec<(LeaseToken, SystemTime)>,
    /// Those that somebody else has by now.
    pub(super) lost: Vec<LeaseToken>,
}

/// Failed messages were told to the dead-letter target, or were not.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FailedTold {
    pub(super) told: Vec<(Failed, Told)>,
}

/// Claims nothing until the opposite is said.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SetPaused(pub(super) bool);

/// Handles so many messages at a time from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Scale(pub(super) usize);

/// Ends, with so much time for what is being handled.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Drain {
    pub(super) deadline: Duration,
}

/// Asks how it is.
#[derive(Message)]
#[rtype(result = "WorkerInfo")]
pub(super) struct AskInfo;
