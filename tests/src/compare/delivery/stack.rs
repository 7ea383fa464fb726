//! An adapter that does nothing, through every policy with nothing failing: counted, and with dead letters that get nothing.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_adapters::metrics::{DeliveryRecorder, FailureMetrics};
use dispatch_adapters::model::policy::{BreakerConfig, RateLimit, RetryPolicy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::{DeadLetters, Delivery};

use super::runtime;
use crate::compare::cli::Options;
use crate::compare::measure::{Contender, Effort, measure};
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

struct Nothing;

#[async_trait]
impl Adapter for Nothing {
    fn name(&self) -> &str {
        "nothing"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        std::hint::black_box(envelope);
        Ok(Receipt::taken())
    }
}

fn whole_stack(recorder: &DeliveryRecorder) -> Delivery {
    let letters = DeadLetters::builder([Nothing]).metrics(recorder).start().expect("there is a target");
    Delivery::to(Nothing)
        .dead_letters(&letters)
        .metrics(recorder)
        // As many as the breaker needs failures, as a delivery that keeps its order should have.
        .retry(RetryPolicy::default().with_max_retries(5))
        .circuit_breaker(BreakerConfig::default())
        .rate_limit(RateLimit { events: 1_000_000_000, per: Duration::from_secs(1), burst: 1_000_000 })
        .max_in_flight(256)
        .timeout(Duration::from_secs(5))
        .start()
        .expect("the policies are valid")
}

pub(super) fn run(options: &Options, effort: Effort, report: &Report) {
    const BENCH: &str = "deliver.noop_stack";
    if !options.wants(BENCH) {
        return;
    }
    let runtime = Rc::new(runtime());
    let recorder = DeliveryRecorder::new();
    let ours = runtime.block_on(async { whole_stack(&recorder) });
    let mut contenders = [contender("stack", &runtime, ours), contender("bare adapter", &runtime, Nothing)];
    let figures = measure(&mut contenders, effort);
    let counted = recorder.snapshot();
    let own = counted.destination("nothing", "nothing").expect("the stack counts");
    assert!(own.delivered > 0 && own.failed == FailureMetrics::default(), "nothing fails: {own:?}");
    let (ours, bare) = (&figures[0], &figures[1]);
    report.print(&Row {
        bench: BENCH.to_owned(),
        cpu_ns: ours.cpu_ns,
        wall_ns: ours.wall_ns,
        allocations: Some(memory::allocations(10_000, || contenders[0].run(10_000))),
        peer: Some((bare.name, bare.cpu_ns, bare.ratio)),
        target: Some(Target::Extra("over_bare_ns", 1_000.0)),
        extra: vec![("over_bare_ns", ours.cpu_ns - bare.cpu_ns)],
    });
}

fn contender(name: &'static str, runtime: &Rc<tokio::runtime::Runtime>, adapter: impl Adapter) -> Contender {
    let (runtime, envelope) = (Rc::clone(runtime), Envelope::empty("Measured"));
    Contender::new(name, move |operations| {
        runtime.block_on(async {
            for _ in 0..operations {
                adapter.deliver(&envelope).await.expect("it does nothing, so it cannot fail");
            }
        });
    })
}
