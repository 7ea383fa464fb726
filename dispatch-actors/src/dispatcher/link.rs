use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Context;

use dispatch_core::{DispatcherId, NodeKind};
use dispatch_metrics::DispatcherSlot;

use super::desk::Desk;
use crate::clock::Tick;
use crate::flight::Job;
use crate::inbox::Outlet;

/// The way to a dispatcher, held by the router and by the routes it has resolved.
pub(crate) struct Link {
    pub(crate) id: DispatcherId,
    pub(crate) slot: DispatcherSlot,
    kind: Cell<Option<NodeKind>>,
    jobs: Outlet<Job>,
    desk: Weak<Desk>,
    in_flight: Cell<u64>,
    retired: Cell<bool>,
    /// A clone is held wherever something of the dispatcher's may outlive its actor, on any thread.
    pub(crate) in_use: Arc<()>,
}

impl Link {
    pub(crate) fn new(
        id: DispatcherId,
        slot: DispatcherSlot,
        kind: Option<NodeKind>,
        jobs: Outlet<Job>,
        desk: &Rc<Desk>,
    ) -> Self {
        let kind = Cell::new(kind);
        Self {
            id,
            slot,
            kind,
            jobs,
            desk: Rc::downgrade(desk),
            in_flight: Cell::new(0),
            retired: Cell::new(false),
            in_use: Arc::default(),
        }
    }

    pub(crate) fn kind(&self) -> Option<NodeKind> {
        self.kind.get()
    }

    /// Sets the kind after a reload.
    pub(crate) fn set_kind(&self, kind: Option<NodeKind>) {
        self.kind.set(kind);
    }

    /// Hands a piece of work to the dispatcher. If its actor is gone, the piece answers by itself.
    #[inline]
    pub(crate) fn hand(&self, job: Job) {
        self.handed();
        drop(self.jobs.send(job));
    }

    /// The same, but if the dispatcher has nothing before this piece it begins at once, in its caller's turn. Says
    /// when that had come so far; `None` if the piece has to wait.
    pub(crate) fn hand_at_once(&self, job: Job) -> Option<Tick> {
        self.handed();
        let mut job = Some(job);
        let begun = self.desk.upgrade().and_then(|desk| {
            let turn = |cx: &mut Context<'_>| desk.with(|lane| lane.start_now(&mut job, cx));
            self.jobs.in_place(turn).flatten().flatten()
        });
        if let Some(job) = job {
            drop(self.jobs.send(job));
        }
        begun
    }

    fn handed(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// The dispatcher is not in the table any more.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Whether this is all that is left of the dispatcher: nobody can tell of it any more.
    pub(crate) fn is_last(link: &Rc<Self>) -> bool {
        Rc::strong_count(link) == 1 && Arc::strong_count(&link.in_use) == 1
    }

    /// A piece of work has been answered.
    pub(crate) fn answered(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    /// Pieces of work that were handed over and not answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.get()
    }
}
