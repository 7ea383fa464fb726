//! One envelope to several targets: each has its own policies, its own result and its own health.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_adapters::console::{ConsoleFormat, ConsoleOptions};
use dispatch_adapters::file::FileOptions;
use dispatch_adapters::model::policy::RetryPolicy;
use dispatch_adapters::model::{Adapter, DeliveryError, DeliveryErrorKind, Receipt};
use dispatch_adapters::prelude::*;
use dispatch_adapters::{ConsoleAdapter, Delivery, FileAdapter, NoopAdapter, Target, Targets};
use serde_json::json;

/// A partner whose machine is always in maintenance.
struct Partner;

#[async_trait]
impl Adapter for Partner {
    fn name(&self) -> &str {
        "partner"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError::retry("closed for maintenance"))
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("multi_target-{}.jsonl", std::process::id()));
    let screen = ConsoleOptions { format: ConsoleFormat::Compact, ..ConsoleOptions::default() };
    let retry = RetryPolicy::default().with_max_retries(2).with_base(Duration::from_millis(5));
    let analytics = NoopAdapter::new();
    let targets = Targets::new([
        Target::new("screen", Delivery::to(ConsoleAdapter::new(screen)).start()?),
        Target::new("archive", Delivery::to(FileAdapter::new(FileOptions::at(&path))).start()?),
        Target::new("partner", Delivery::to(Partner).retry(retry).start()?),
        // Answers once its queue has the envelope: nobody waits for it.
        Target::new("analytics", Delivery::to(analytics.clone()).start()?).queued(),
    ])?;

    let order = Envelope::json("OrderPlaced", json!({ "id": 7, "amount": 120 }));
    for outcome in targets.deliver_each(&order).await {
        let what = match &outcome.result {
            Ok(receipt) if receipt.queued => "queued".to_owned(),
            Ok(_) => "delivered".to_owned(),
            Err(error) => {
                let attempts = error.history().map_or(1, |history| history.attempts);
                format!("failed after {attempts} attempts, {}: {error}", advice(error.kind()))
            }
        };
        println!("{} {:9} {what}", outcome.index, outcome.target);
    }

    // What was queued is delivered before the end.
    for target in targets.list() {
        let report = target.delivery().shutdown(Duration::from_secs(5)).await;
        let health = target.delivery().health().await;
        let seen = if health.last_success.is_some() { "has worked" } else { "has never worked" };
        let left = report.abandoned.len();
        println!("{:9} {:9} {seen}, {left} left in its queue", target.name(), health.status);
    }
    println!("all together: {}", targets.health().await.status);
    println!("analytics has {}, the archive has {} line", analytics.count(), lines(&path)?);
    std::fs::remove_file(&path)?;
    Ok(())
}

fn advice(kind: DeliveryErrorKind) -> &'static str {
    match kind {
        DeliveryErrorKind::Retry | DeliveryErrorKind::RetryAfter(_) => "later it may work",
        _ => "it never will",
    }
}

fn lines(path: &std::path::Path) -> io::Result<usize> {
    Ok(std::fs::read_to_string(path)?.lines().count())
}
