//! A destination at 1 ms round trip: in batches, and one by one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dispatch_adapters::Delivery;
use dispatch_adapters::model::policy::BatchPolicy;
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use futures_util::future::join_all;

use super::runtime;
use crate::compare::cli::Options;
use crate::compare::measure::cpu_time;
use crate::compare::report::{Report, Row, Target};

/// Answers each call after a millisecond, one call at a time, as a connection does.
struct Far(tokio::sync::Semaphore);

impl Far {
    fn new() -> Arc<Self> {
        Arc::new(Self(tokio::sync::Semaphore::new(1)))
    }

    async fn round_trip(&self) {
        let _connection = self.0.acquire().await.expect("the connection stays open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[async_trait]
impl Adapter for Far {
    fn name(&self) -> &str {
        "far"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        self.round_trip().await;
        Ok(Receipt::taken())
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.round_trip().await;
        envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
    }
}

/// CPU and wall nanoseconds an envelope.
fn deliver(delivery: &Delivery, count: usize) -> impl Future<Output = (f64, f64)> {
    let envelopes: Vec<_> = (0..count).map(|_| Envelope::empty("Measured")).collect();
    async move {
        let (wall, cpu) = (Instant::now(), cpu_time());
        let results = join_all(envelopes.iter().map(|envelope| delivery.deliver(envelope))).await;
        assert!(results.iter().all(Result::is_ok));
        let cpu = cpu_time().saturating_sub(cpu).as_nanos() as f64;
        (cpu / count as f64, wall.elapsed().as_nanos() as f64 / count as f64)
    }
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "deliver.batch";
    if !options.wants(BENCH) {
        return;
    }
    let (batched, single) = runtime().block_on(async {
        let batched =
            Delivery::to(Far::new()).batch(BatchPolicy::default()).timeout(Duration::from_secs(60)).start();
        let single = Delivery::to(Far::new()).timeout(Duration::from_secs(60)).start();
        let batched = deliver(&batched.expect("the policy is valid"), 20_000).await;
        (batched, deliver(&single.expect("no policy is wrong"), 500).await)
    });
    report.print(&Row {
        bench: BENCH.to_owned(),
        cpu_ns: batched.0,
        wall_ns: batched.1,
        allocations: None,
        peer: Some(("one by one", single.0, batched.0 / single.0)),
        target: Some(Target::AtLeast("times_faster", 10.0)),
        extra: vec![("times_faster", single.1 / batched.1)],
    });
}
