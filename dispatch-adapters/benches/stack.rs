//! What the policies of a destination cost when nothing fails.

#![allow(clippy::expect_used, reason = "a bench that cannot start has no figure")]

use std::time::Duration;

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use dispatch_adapters::metrics::DeliveryRecorder;
use dispatch_adapters::model::policy::{BreakerConfig, RateLimit, RetryPolicy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::{Delivery, DeliveryBuilder};

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

fn whole_stack() -> DeliveryBuilder {
    Delivery::to(Nothing)
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig::default())
        .rate_limit(RateLimit { events: 1_000_000_000, per: Duration::from_secs(1), burst: 1_000_000 })
        .max_in_flight(256)
        .timeout(Duration::from_secs(5))
}

fn stack(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs no more than this");
    let start = |builder: DeliveryBuilder| {
        runtime.block_on(async { builder.start() }).expect("the policies are valid")
    };
    let recorder = DeliveryRecorder::new();
    let mut group = criterion.benchmark_group("stack");
    let contenders: [(&str, Box<dyn Adapter>); 4] = [
        ("bare adapter", Box::new(Nothing)),
        ("time-out only", Box::new(start(Delivery::to(Nothing)))),
        ("every policy", Box::new(start(whole_stack()))),
        ("every policy and metrics", Box::new(start(whole_stack().metrics(&recorder)))),
    ];
    for (name, adapter) in contenders {
        let envelope = Envelope::empty("Measured");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let start = std::time::Instant::now();
                    for _ in 0..rounds {
                        let delivered = adapter.deliver(&envelope).await;
                        assert!(delivered.is_ok(), "it does nothing, so it cannot fail");
                    }
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stack);
criterion_main!(benches);
