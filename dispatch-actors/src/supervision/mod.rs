//! The supervision tree: who the children of an engine are, what happens when one dies, and who is told.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::DispatcherId;
use dispatch_metrics::DispatcherEvent;
use serde::Serialize;

use crate::dispatcher::Link;
use crate::observer::{Event, Observers};
use crate::shard::Shard;

mod child;

pub use child::{EngineActor, GetEngine, RestartEngine};

/// One child of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Child {
    /// `router`, `aggregator`, `collector`, or the id of a dispatcher.
    pub id: String,
    /// What it is.
    pub kind: ChildKind,
    /// How it is.
    pub state: ChildState,
    /// Restarts since the engine started or its metrics were reset.
    pub restarts: u64,
    /// What happens when it dies.
    pub strategy: RestartStrategy,
}

/// What a child of an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChildKind {
    /// Part of the engine itself.
    Engine,
    /// A dispatcher made of an async function.
    Function,
    /// A dispatcher made of a blocking function.
    Blocking,
    /// A dispatcher made of an actor that the engine made.
    Actor,
    /// A dispatcher made of an actor that is somebody else's.
    Recipient,
    /// A dispatcher made of an object.
    Object,
    /// A dispatcher made of an adapter.
    Adapter,
}

/// How a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildState {
    /// It works.
    Up,
    /// It died and is about to be started again.
    Restarting,
    /// It is dead and stays so.
    Down,
}

/// What happens when a child dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartStrategy {
    /// It alone is started again, with backoff, until it has died too often; then the death is escalated.
    Restart,
    /// Its code runs under a panic guard, so it does not die before the engine.
    Guarded,
    /// Its owner restarts it; the engine only says that it is down.
    Owner,
}

impl ChildKind {
    pub(crate) const fn strategy(self) -> RestartStrategy {
        match self {
            Self::Actor => RestartStrategy::Restart,
            Self::Recipient => RestartStrategy::Owner,
            _ => RestartStrategy::Guarded,
        }
    }
}

/// Sent to the user's supervisor when a dispatcher is down for good: an actor of the engine's that has died too
/// often, or an actor of the caller's that is gone.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct DispatcherDown {
    /// Name of the engine.
    pub engine: Arc<str>,
    /// The dispatcher.
    pub dispatcher_id: DispatcherId,
}

/// Is told of deaths, and tells everyone who should know.
pub(crate) struct Guardian {
    pub(crate) engine: Arc<str>,
    pub(crate) observers: Rc<RefCell<Observers>>,
    pub(crate) escalate_to: Option<Recipient<DispatcherDown>>,
    pub(crate) down: RefCell<BTreeSet<DispatcherId>>,
    /// How many are down, for the engine's handle.
    pub(crate) down_count: Arc<AtomicUsize>,
}

impl Guardian {
    pub(crate) fn restarting(&self, shard: &Shard, link: &Link, delay: Duration, reason: &str) {
        shard.recorder.borrow_mut().record_event(link.slot, DispatcherEvent::Restart);
        tracing::warn!(
            target: crate::trace::TARGET,
            engine = &*self.engine,
            dispatcher_id = link.id.as_str(),
            delay_ms = crate::trace::millis(delay),
            reason,
            "dispatcher died, restarting"
        );
        self.observers.borrow_mut().notify(&Event::Restarting { dispatcher_id: &link.id, delay });
    }

    /// A dispatcher that is not in the table any more is nobody's trouble.
    pub(crate) fn retired(&self, id: &DispatcherId) {
        self.down.borrow_mut().remove(id);
        self.down_count.store(self.down.borrow().len(), Ordering::Relaxed);
    }

    /// Whether a dispatcher of the table is known to be down for good.
    pub(crate) fn is_down(&self, id: &DispatcherId) -> bool {
        self.down.borrow().contains(id)
    }

    /// A dispatcher is down for good; said once.
    pub(crate) fn down(&self, link: &Link, reason: &str) {
        let id = &link.id;
        if link.is_retired() || !self.down.borrow_mut().insert(id.clone()) {
            return;
        }
        self.down_count.store(self.down.borrow().len(), Ordering::Relaxed);
        tracing::error!(
            target: crate::trace::TARGET,
            engine = &*self.engine,
            dispatcher_id = id.as_str(),
            reason,
            "dispatcher is down"
        );
        self.observers.borrow_mut().notify(&Event::Down { dispatcher_id: id });
        if let Some(supervisor) = &self.escalate_to {
            supervisor
                .do_send(DispatcherDown { engine: Arc::clone(&self.engine), dispatcher_id: id.clone() });
        }
    }
}
