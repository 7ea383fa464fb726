use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix::prelude::*;
use dispatch_core::DispatchStatus;
use dispatch_metrics::{
    DispatchMetrics, DispatchSample, DispatcherEvent, DispatcherMetrics, DispatcherSlot, ExecutionSample,
    Recorder,
};

use super::protocol::{OfDispatcher, Reset, Sample, Snapshot, Stop, Tell};
use crate::admission::Admission;
use crate::dispatcher::Link;
use crate::flight::Way;
use crate::inbox::Inbox;
use crate::observer::{Event, Observers};

/// Owns the counters of a shard. See the [module](super).
pub(crate) struct Collector {
    recorder: Rc<RefCell<Recorder>>,
    inbox: Inbox<Sample>,
    /// Counts refusals where they happen, on the callers' threads.
    admission: Arc<Admission>,
    observers: Rc<RefCell<Observers>>,
    batch: Vec<Sample>,
    links: BTreeMap<DispatcherSlot, Rc<Link>>,
    /// Retired, but perhaps not done yet.
    leaving: Vec<Rc<Link>>,
}

impl Collector {
    pub(crate) fn new(
        recorder: Rc<RefCell<Recorder>>,
        inbox: Inbox<Sample>,
        admission: Arc<Admission>,
        observers: Rc<RefCell<Observers>>,
    ) -> Self {
        Self {
            recorder,
            inbox,
            admission,
            observers,
            batch: Vec::new(),
            links: BTreeMap::new(),
            leaving: Vec::new(),
        }
    }

    /// Counts everything that waits.
    fn catch_up(&mut self) {
        self.inbox.drain(&mut self.batch);
        self.count();
    }

    fn count(&mut self) {
        let mut recorder = self.recorder.borrow_mut();
        for sample in self.batch.drain(..) {
            match sample {
                Sample::Single { way, kind, status, executed, duration } => {
                    if let Some(link) = way.links.first() {
                        let (topic, duration) = (way.topic_slot, executed);
                        recorder
                            .record_execution(link.slot, ExecutionSample { outcome: kind, duration, topic });
                    }
                    recorder.record_dispatch(handled(&way, status, duration));
                }
                Sample::Folded { way, status, duration } => {
                    recorder.record_dispatch(handled(&way, status, duration));
                }
                Sample::Execution { slot, topic, kind, duration } => {
                    recorder.record_execution(slot, ExecutionSample { outcome: kind, duration, topic });
                }
                Sample::ErrorText(slot, error) => recorder.record_error_text(slot, &error),
                Sample::Unhandled(sample) => recorder.record_dispatch(*sample),
                Sample::Event(slot, event) => recorder.record_event(slot, event),
                Sample::Rejected => recorder.record_rejected(),
                Sample::Unpublishable(count) => recorder.record_unpublishable(count),
                Sample::Watch(link) => {
                    // One that comes back before its former self has gone has the same slot.
                    self.leaving.retain(|leaving| leaving.slot != link.slot);
                    self.links.insert(link.slot, link);
                }
                Sample::Unwatch(link) => {
                    self.links.remove(&link.slot);
                    self.leaving.push(link);
                }
            }
        }
        drop(recorder);
        if !self.leaving.is_empty() {
            self.let_go();
        }
    }

    /// Frees the slots of which no sample can come any more: all that came before have just been counted.
    fn let_go(&mut self) {
        let mut recorder = self.recorder.borrow_mut();
        self.leaving.retain(|link| {
            let last = Link::is_last(link);
            if last {
                recorder.retire_dispatcher(link.slot);
            }
            !last
        });
    }

    fn look_in_flight(&self) {
        let mut recorder = self.recorder.borrow_mut();
        for link in self.links.values().chain(&self.leaving) {
            recorder.set_in_flight(link.slot, link.in_flight());
        }
    }
}

/// A dispatch that dispatchers answered.
fn handled(way: &Way, status: DispatchStatus, duration: Duration) -> DispatchSample {
    DispatchSample {
        status,
        category: way.path.category,
        category_mismatch: false,
        topic: way.topic_slot,
        routes_matched: u32::try_from(way.links.len()).unwrap_or(u32::MAX),
        duration,
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
        collector.count();
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
        let mut snapshot = self.recorder.borrow().snapshot();
        snapshot.overloaded_count = self.admission.overloaded();
        snapshot
    }
}

impl Handler<OfDispatcher> for Collector {
    type Result = Option<DispatcherMetrics>;

    fn handle(&mut self, OfDispatcher(id): OfDispatcher, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        self.look_in_flight();
        self.recorder.borrow().dispatcher(id.as_str())
    }
}

impl Handler<Reset> for Collector {
    type Result = ();

    fn handle(&mut self, _: Reset, _: &mut Self::Context) {
        self.catch_up();
        self.recorder.borrow_mut().clear();
        self.admission.reset_overloaded();
    }
}

impl Handler<Tell> for Collector {
    type Result = ();

    fn handle(&mut self, tell: Tell, _: &mut Self::Context) {
        self.recorder.borrow_mut().record_event(tell.slot, tell.event);
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
