use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::prelude::*;
use dispatch_metrics::{DispatchMetrics, DispatcherEvent, DispatcherMetrics, DispatcherSlot};

use super::protocol::{Notice, OfDispatcher, Reset, Snapshot, Stop, Tell};
use crate::dispatcher::Link;
use crate::inbox::Inbox;
use crate::observer::{Event, Observers};
use crate::shard::Shard;

/// Answers for the counters of a shard. See the [module](super).
pub(crate) struct Collector {
    shard: Rc<Shard>,
    inbox: Inbox<Notice>,
    observers: Rc<RefCell<Observers>>,
    batch: Vec<Notice>,
    links: BTreeMap<DispatcherSlot, Rc<Link>>,
    /// Retired, but perhaps not done yet.
    leaving: Vec<Rc<Link>>,
}

impl Collector {
    pub(crate) fn new(shard: Rc<Shard>, inbox: Inbox<Notice>, observers: Rc<RefCell<Observers>>) -> Self {
        Self { shard, inbox, observers, batch: Vec::new(), links: BTreeMap::new(), leaving: Vec::new() }
    }

    /// Learns who has come and who has gone.
    fn catch_up(&mut self) {
        self.inbox.drain(&mut self.batch);
        self.note();
    }

    fn note(&mut self) {
        for notice in self.batch.drain(..) {
            match notice {
                Notice::Started(link) => {
                    // One that comes back before its former self has gone has the same slot.
                    self.leaving.retain(|leaving| leaving.slot != link.slot);
                    self.links.insert(link.slot, link);
                }
                Notice::Retired(link) => {
                    self.links.remove(&link.slot);
                    self.leaving.push(link);
                }
            }
        }
        if !self.leaving.is_empty() {
            self.let_go();
        }
    }

    /// Frees the slots of which nobody can tell any more.
    fn let_go(&mut self) {
        let mut recorder = self.shard.recorder.borrow_mut();
        self.leaving.retain(|link| {
            let last = Link::is_last(link);
            if last {
                recorder.retire_dispatcher(link.slot);
            }
            !last
        });
    }

    fn look_in_flight(&self) {
        let mut recorder = self.shard.recorder.borrow_mut();
        for link in self.links.values().chain(&self.leaving) {
            recorder.set_in_flight(link.slot, link.in_flight());
        }
    }
}

impl Actor for Collector {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Reading);
    }
}

/// Reads the inbox for as long as the collector lives.
struct Reading;

impl ActorFuture<Collector> for Reading {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        collector: &mut Collector,
        _: &mut Context<Collector>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        collector.inbox.take(&mut collector.batch, cx);
        collector.note();
        Poll::Pending
    }
}

impl Handler<Snapshot> for Collector {
    type Result = MessageResult<Snapshot>;

    fn handle(&mut self, _: Snapshot, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        self.look_in_flight();
        MessageResult(self.snapshot())
    }
}

impl Collector {
    fn snapshot(&self) -> DispatchMetrics {
        let mut snapshot = self.shard.recorder.borrow().snapshot();
        snapshot.overloaded_count = self.shard.admission.overloaded();
        snapshot
    }
}

impl Handler<OfDispatcher> for Collector {
    type Result = Option<DispatcherMetrics>;

    fn handle(&mut self, OfDispatcher(id): OfDispatcher, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        self.look_in_flight();
        self.shard.recorder.borrow().dispatcher(id.as_str())
    }
}

impl Handler<Reset> for Collector {
    type Result = ();

    fn handle(&mut self, _: Reset, _: &mut Self::Context) {
        self.catch_up();
        self.shard.recorder.borrow_mut().clear();
        self.shard.admission.reset_overloaded();
    }
}

impl Handler<Tell> for Collector {
    type Result = ();

    fn handle(&mut self, tell: Tell, _: &mut Self::Context) {
        self.shard.recorder.borrow_mut().record_event(tell.slot, tell.event);
        let (dispatcher_id, took) = (&tell.id, tell.took);
        match tell.event {
            DispatcherEvent::SlowBlocking => {
                self.observers.borrow_mut().notify(&Event::SlowBlocking { dispatcher_id, took });
            }
            DispatcherEvent::LateReply => {
                self.observers.borrow_mut().notify(&Event::LateReply { dispatcher_id, took });
            }
            _ => {}
        }
    }
}

impl Handler<Stop> for Collector {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
