use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use actix::prelude::*;
use dispatch_core::policy::RestartPolicy;
use dispatch_core::{DispatcherId, DispatcherSpec, EngineConfig};

use crate::collector::{Collector, Notice, Tell};
use crate::dispatcher::{
    Deliver, Desk, DispatcherActor, Limits, Link, Parts, Pools, Registration, Retire, SetLimits,
};
use crate::inbox::inbox;
use crate::shard::Shard;
use crate::supervision::{ChildKind, Guardian};
use crate::watchdog::Watchdog;

/// The dispatcher actors of an engine, by id.
pub(crate) struct Children {
    pub(super) running: BTreeMap<DispatcherId, Running>,
    /// Not in the table any more, but not done yet.
    retired: Vec<Retired>,
    pub(super) nursery: Nursery,
}

/// A dispatcher actor that runs.
pub(crate) struct Running {
    pub(crate) address: Addr<DispatcherActor>,
    pub(crate) link: Rc<Link>,
    pub(crate) kind: ChildKind,
    pub(crate) spec: DispatcherSpec,
    pub(crate) limits: Limits,
    /// The actor behind it, if that is somebody else's.
    recipient: Option<Recipient<Deliver>>,
}

/// A dispatcher actor that finishes what it has. Its link is not held, so that the collector sees it go.
struct Retired {
    address: Addr<DispatcherActor>,
    link: Weak<Link>,
}

/// Everything it takes to start a dispatcher actor.
pub(crate) struct Nursery {
    pub(crate) shard: Rc<Shard>,
    pub(crate) pools: Rc<Pools>,
    pub(crate) pool_sizes: BTreeMap<String, usize>,
    pub(crate) collector: Addr<Collector>,
    pub(crate) restart: RestartPolicy,
    pub(crate) guardian: Rc<Guardian>,
    pub(crate) watchdog: Option<Arc<Watchdog>>,
}

impl Children {
    pub(crate) fn new(nursery: Nursery) -> Self {
        Self { running: BTreeMap::new(), retired: Vec::new(), nursery }
    }

    /// Every dispatcher actor that may have something under way.
    pub(super) fn all(&self) -> impl Iterator<Item = (Rc<Link>, Addr<DispatcherActor>)> {
        let running = self.running.values().map(|it| (Rc::clone(&it.link), it.address.clone()));
        let retired = self.retired.iter().filter_map(|it| Some((it.link.upgrade()?, it.address.clone())));
        running.chain(retired)
    }

    /// Starts or keeps the dispatchers of a table, retires the others, and returns the ways to them in the
    /// order of the registrations.
    pub(crate) fn adopt(&mut self, registrations: Vec<Registration>, config: &EngineConfig) -> Adopted {
        self.retired.retain(|retired| retired.address.connected());
        let mut former = std::mem::take(&mut self.running);
        let mut adopted = Adopted::default();
        for registration in registrations {
            let id = registration.spec.id.clone();
            let mut same = former.remove(&id);
            if !registration.is_kept() {
                // The code of one that runs is not replaced; one that is down begins anew with the code given.
                let down = same.take_if(|same| self.nursery.is_down(same));
                self.retired.extend(down.map(|down| self.nursery.retire(down)));
            }
            let limits = match &same {
                Some(kept) if registration.is_kept() => kept.limits,
                _ => registration.limits(config),
            };
            let running = match same {
                Some(kept) => {
                    adopted.kept.push(id.clone());
                    kept.adjusted(registration.spec, limits)
                }
                None => {
                    let Some(started) = self.nursery.start(registration, limits) else { continue };
                    adopted.started.push(id.clone());
                    started
                }
            };
            adopted.links.push(Rc::clone(&running.link));
            self.running.insert(id, running);
        }
        for (id, retired) in former {
            adopted.retired.push(id);
            self.retired.push(self.nursery.retire(retired));
        }
        adopted
    }
}

/// What became of the dispatchers of a table.
#[derive(Default)]
pub(crate) struct Adopted {
    pub(crate) links: Vec<Rc<Link>>,
    pub(crate) started: Vec<DispatcherId>,
    pub(crate) kept: Vec<DispatcherId>,
    pub(crate) retired: Vec<DispatcherId>,
}

impl Running {
    fn adjusted(mut self, spec: DispatcherSpec, limits: Limits) -> Self {
        if self.limits != limits {
            self.address.do_send(SetLimits(limits));
            self.limits = limits;
        }
        self.link.set_kind(spec.node_kind);
        self.spec = spec;
        self
    }
}

impl Nursery {
    /// Whether a dispatcher will not come back by itself.
    fn is_down(&self, running: &Running) -> bool {
        let gone = running.recipient.as_ref().is_some_and(|recipient| !recipient.connected());
        gone || self.guardian.is_down(&running.link.id)
    }

    /// Lets a dispatcher finish what it has and stop.
    fn retire(&self, running: Running) -> Retired {
        running.link.retire();
        self.shard.notify(Notice::Retired(Rc::clone(&running.link)));
        running.address.do_send(Retire);
        self.guardian.retired(&running.link.id);
        Retired { address: running.address, link: Rc::downgrade(&running.link) }
    }

    fn start(&self, registration: Registration, limits: Limits) -> Option<Running> {
        let (kind, spec) = (registration.form(), registration.spec.clone());
        let recipient = registration.recipient.clone();
        let slot = self.shard.recorder.borrow_mut().register_dispatcher(spec.id.as_str());
        if let Some(watchdog) = &self.watchdog {
            watchdog.name(slot, spec.id.as_str());
        }
        let (outlet, inbox) = inbox();
        let desk = Rc::<Desk>::default();
        let link = Rc::new(Link::new(spec.id.clone(), slot, spec.node_kind, outlet, &desk));
        self.shard.notify(Notice::Started(Rc::clone(&link)));
        let collector: Recipient<Tell> = self.collector.clone().recipient();
        let lane = registration.make(Parts {
            link: Rc::clone(&link),
            shard: Rc::clone(&self.shard),
            limits,
            inbox,
            pools: Rc::clone(&self.pools),
            collector,
            restart: self.restart.clone(),
            guardian: Rc::clone(&self.guardian),
        })?;
        desk.put(lane);
        let address = DispatcherActor::new(desk, Rc::clone(&self.shard)).start();
        Some(Running { address, link, kind, spec, limits, recipient })
    }
}
