//! Our side: a frozen engine at its defaults, called from spawned tasks of its own arbiter.

use std::rc::Rc;

use actix::{System, SystemRunner};
use dispatch_actors::prelude::*;
use serde::{Deserialize, Serialize};

use super::load::{self, Load};
use crate::compare::measure::Contender;

pub(crate) type SharedSystem = Rc<SystemRunner>;

/// The system in which engines and raw actors live.
pub(crate) fn system() -> SharedSystem {
    Rc::new(System::new())
}

/// The envelope of a dispatch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A clone of one that was made before, for this topic: an `Arc`.
    Template,
    /// Made for each dispatch: id, time and payload.
    Fresh,
}

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order: u64,
}

#[derive(Clone)]
struct Caller {
    engine: Engine,
    topic: Topic,
    template: Envelope,
    source: Source,
}

impl Caller {
    fn envelope(&self) -> Envelope {
        match self.source {
            Source::Template => self.template.clone(),
            Source::Fresh => order(),
        }
    }

    async fn one(&self) {
        let result = self.engine.dispatch(&self.topic, self.envelope()).await;
        check(&result);
    }

    async fn many(&self, size: u64) {
        let envelopes = (0..size).map(|_| (&self.topic, self.envelope()));
        self.engine.dispatch_many(envelopes).await.iter().for_each(check);
    }
}

fn order() -> Envelope {
    Envelope::typed(OrderPlaced { order: 7 })
}

fn check(result: &Result<DispatchResult, Refused>) {
    assert!(result.as_ref().is_ok_and(DispatchResult::is_successful), "{result:?}");
}

/// An engine whose every dispatch goes to so many dispatchers that do nothing, past so many other routes.
pub(crate) fn contender(
    system: &SharedSystem,
    dispatchers: usize,
    misses: usize,
    load: Load,
    source: Source,
) -> Contender {
    let system = Rc::clone(system);
    let miss = |n| {
        let pattern = format!("shop.*.events.kind-{n}.**");
        Route::new(format!("miss-{n}"), pattern, Category::Event, "nothing-0")
    };
    let mut builder = Engine::builder().routes((0..misses).map(miss));
    for n in 0..dispatchers {
        let id = format!("nothing-{n}");
        let route = Route::new(format!("route-{n}"), "shop.*.events.**", Category::Event, id.as_str());
        builder = builder.dispatcher(on_event(id).run(|_: Envelope| async {})).route(route);
    }
    let engine = system.block_on(async { builder.freeze() }).expect("the engine starts");
    let topic = Topic::new("shop.orders.events.placed.v1").expect("the topic is valid");
    let template = order().with_topic(&topic);
    let caller = Caller { engine, topic, template, source };
    Contender::new("dispatch", move |operations| {
        let caller = caller.clone();
        system.block_on(async move {
            match load {
                Load::Sequential => run(caller, 1, operations).await,
                Load::InFlight(tasks) => run(caller, tasks, operations).await,
                Load::Batches(size) => {
                    let batches = operations.div_ceil(size);
                    load::local(1, batches, move || {
                        let caller = caller.clone();
                        async move { caller.many(size).await }
                    })
                    .await;
                }
            }
        });
    })
}

async fn run(caller: Caller, tasks: u64, operations: u64) {
    let caller = Rc::new(caller);
    load::local(tasks, operations, move || {
        let caller = Rc::clone(&caller);
        async move { caller.one().await }
    })
    .await;
}
