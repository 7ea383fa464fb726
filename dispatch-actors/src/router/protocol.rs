use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::route::RouteTable;
use dispatch_core::{DispatcherId, DispatcherSpec, Envelope};
use tokio::sync::oneshot;

use crate::engine::{Blueprint, ReloadReport, ShutdownReport, TopicArg};
use crate::flight::Reply;
use crate::supervision::Child;

/// Envelopes from a caller.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Submit {
    /// One envelope.
    One {
        topic: TopicArg,
        envelope: Envelope,
        /// Whether to answer as soon as the envelope is handed over.
        route_only: bool,
        reply: oneshot::Sender<Reply>,
    },
    /// One envelope that some of its dispatchers have handled before.
    Rest { topic: TopicArg, envelope: Envelope, handled: Box<[DispatcherId]>, reply: oneshot::Sender<Reply> },
    /// Several envelopes, answered together.
    Many { batch: Vec<(TopicArg, Envelope)>, reply: oneshot::Sender<Vec<Reply>> },
}

/// Asks for the table that is in force.
#[derive(Message)]
#[rtype(result = "Arc<RouteTable>")]
pub(crate) struct AskTable;

/// Asks for the dispatchers that run and the version of the table they run in.
#[derive(Message)]
#[rtype(result = "Roster")]
pub(crate) struct AskRoster;

/// The dispatchers that run, and the version of their table.
pub(crate) struct Roster {
    pub(crate) version: u64,
    pub(crate) dispatchers: BTreeMap<DispatcherId, DispatcherSpec>,
    /// The blocking pools, which no reload changes.
    pub(crate) pools: BTreeMap<String, usize>,
}

/// Swaps the table, if it is still the version that the new one was made from.
#[derive(Message)]
#[rtype(result = "Result<ReloadReport, Box<Blueprint>>")]
pub(crate) struct Swap {
    pub(crate) version: u64,
    pub(crate) blueprint: Box<Blueprint>,
}

/// Asks for the children of the engine.
#[derive(Message)]
#[rtype(result = "Vec<Child>")]
pub(crate) struct AskChildren;

/// Finishes what is in flight, for as long as the deadline allows, and ends the engine.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown {
    pub(crate) deadline: Option<Duration>,
    pub(crate) reply: Option<oneshot::Sender<ShutdownReport>>,
}

/// Asks for a sign of life.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ping;

/// Ends the router.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;
