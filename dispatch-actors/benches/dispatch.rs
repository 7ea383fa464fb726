//! The hot paths of an engine at its defaults, with dispatchers that do nothing.
//!
//! `cargo bench -p dispatch-actors --bench dispatch`. How this compares with others is the `compare` program's
//! business; this one finds what a change does to us.

#![allow(clippy::expect_used, reason = "a benchmark is no library")]

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::{System, SystemRunner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dispatch_actors::prelude::*;
use futures_util::future::join_all;

struct Rig {
    system: SystemRunner,
    engine: Engine,
    topic: Topic,
    envelope: Envelope,
}

impl Rig {
    fn new(dispatchers: usize) -> Self {
        let system = System::new();
        let builder = (0..dispatchers).fold(Engine::builder(), |builder, n| {
            let id = format!("nothing-{n}");
            let route = Route::new(format!("route-{n}"), "shop.*.events.**", Category::Event, id.as_str());
            builder.dispatcher(on_event(id).run(|_: Envelope| async {})).route(route)
        });
        let engine = system.block_on(async { builder.freeze() }).expect("the engine starts");
        let topic = Topic::new("shop.orders.events.placed").expect("the topic is valid");
        Self { system, engine, topic, envelope: Envelope::bytes("OrderPlaced", "7", "text/plain") }
    }

    /// Spreads dispatches over tasks of the engine's arbiter.
    fn tasks(&self, tasks: u64, dispatches: u64) -> Duration {
        let (engine, topic, envelope) =
            (Rc::new(self.engine.clone()), self.topic.clone(), self.envelope.clone());
        let task = |share| {
            let (engine, topic, envelope) = (Rc::clone(&engine), topic.clone(), envelope.clone());
            actix::spawn(async move {
                for _ in 0..share {
                    let result = engine.dispatch(&topic, envelope.clone()).await;
                    assert!(result.is_ok_and(|result| result.is_successful()));
                }
            })
        };
        let shares = (0..tasks).map(|n| dispatches / tasks + u64::from(n < dispatches % tasks));
        let begin = Instant::now();
        let done = self.system.block_on(async { join_all(shares.map(task).collect::<Vec<_>>()).await });
        let elapsed = begin.elapsed();
        assert!(done.iter().all(Result::is_ok));
        elapsed
    }

    /// Batches of `dispatch_many` from one task.
    fn batches(&self, size: usize, batches: u64) -> Duration {
        let (engine, topic, envelope) = (self.engine.clone(), self.topic.clone(), self.envelope.clone());
        let task = async move {
            for _ in 0..batches {
                let results = engine.dispatch_many((0..size).map(|_| (&topic, envelope.clone()))).await;
                assert!(
                    results.iter().all(|result| result.as_ref().is_ok_and(DispatchResult::is_successful))
                );
            }
        };
        let begin = Instant::now();
        self.system.block_on(async { actix::spawn(task).await }).expect("no dispatch fails");
        begin.elapsed()
    }
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    for (dispatchers, tasks) in [(1, 1), (1, 256), (10, 1), (10, 256)] {
        let rig = Rig::new(dispatchers);
        group.bench_function(format!("{dispatchers} dispatchers, {tasks} in flight"), |b| {
            b.iter_custom(|dispatches| rig.tasks(tasks, dispatches));
        });
    }
    group.throughput(Throughput::Elements(64));
    let rig = Rig::new(1);
    group
        .bench_function("1 dispatcher, batches of 64", |b| b.iter_custom(|batches| rig.batches(64, batches)));
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
