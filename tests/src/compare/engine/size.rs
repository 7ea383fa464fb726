//! What dispatchers and routes take: bytes, and the time of `freeze`.

use std::collections::BTreeSet;

use dispatch_actors::EngineBuilder;
use dispatch_actors::prelude::*;

use super::ours::{self, SharedSystem};
use crate::compare::cli::Options;
use crate::compare::measure::cpu_time;
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

const DISPATCHERS: usize = 10_000;
const ROUTES: usize = 1_000_000;

pub(crate) fn run(options: &Options, report: &Report) {
    let system = ours::system();
    if options.wants("registered.10000") {
        report.print(&Row {
            target: Some(Target::Extra("bytes_each", 4096.0)),
            ..freeze(&system, "registered.10000", DISPATCHERS, |n| format!("nothing-{n}"))
        });
    }
    if options.wants("frozen.1000000") {
        report.print(&Row {
            target: Some(Target::Extra("seconds", 5.0)),
            ..freeze(&system, "frozen.1000000", ROUTES, |n| format!("nothing-{}", n % 10))
        });
    }
}

/// So many routes, each to the dispatcher of that name.
fn freeze(system: &SharedSystem, bench: &str, routes: usize, dispatcher: impl Fn(usize) -> String) -> Row {
    let builder = || {
        let mut builder = Engine::builder();
        let mut known = BTreeSet::new();
        for n in 0..routes {
            let id = dispatcher(n);
            let pattern = format!("shop.tenant-{}.*.events.kind-{n}", n % 1000);
            builder = builder.route(Route::new(format!("route-{n}"), pattern, Category::Event, id.as_str()));
            if known.insert(id.clone()) {
                builder = builder.dispatcher(on_event(id).run(|_: Envelope| async {}));
            }
        }
        builder
    };
    let mut seconds = 0.0;
    let (engine, live) = memory::live_bytes(|| {
        let builder: EngineBuilder = builder();
        let before = cpu_time();
        let engine = system.block_on(async { builder.freeze() }).expect("the engine starts");
        // One dispatch, so that whatever starts late has started.
        let topic = "shop.tenant-0.orders.events.kind-0";
        let result = system.block_on(engine.dispatch(topic, Envelope::new(Payload::Empty)));
        assert!(result.is_ok_and(|result| result.is_successful()), "the first route leads to a dispatcher");
        seconds = cpu_time().saturating_sub(before).as_secs_f64();
        engine
    });
    drop(engine);
    Row {
        bench: bench.to_owned(),
        cpu_ns: seconds * 1e9 / routes as f64,
        wall_ns: seconds * 1e9 / routes as f64,
        allocations: None,
        peer: None,
        target: None,
        extra: vec![("bytes_each", live / routes as f64), ("seconds", seconds)],
    }
}
