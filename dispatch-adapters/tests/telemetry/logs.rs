//! What is logged, and with which fields.

use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
use dispatch_adapters::{Delivery, DeliveryBuilder, NoopAdapter};

use crate::ALONE;
use crate::lines::Lines;

/// The warnings of a start.
fn warnings(builder: DeliveryBuilder) -> Vec<String> {
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    builder.start().unwrap();
    drop(guard);
    lines.all().into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[tokio::test]
async fn a_breaker_that_opens_after_the_first_dead_letter_is_warned_of_once() {
    let _alone = ALONE.lock().await;
    let both = || {
        Delivery::to(NoopAdapter::new())
            .retry(RetryPolicy::default())
            .circuit_breaker(BreakerConfig::default())
    };
    let warned = warnings(both().destination("crm"));
    let [line] = &*warned else { panic!("one warning: {warned:?}") };
    for part in [
        "destination=crm",
        "attempts=4",
        "failure_threshold=5",
        "raise max_retries to at least 5",
        "concurrency",
    ] {
        assert!(line.contains(part), "no '{part}' in {line}");
    }

    let as_many = RetryPolicy::default().with_max_retries(4);
    assert_eq!(warnings(both().retry(as_many)).len(), 1, "its last failure opens it");
    let more = RetryPolicy::default().with_max_retries(5);
    assert_eq!(warnings(both().retry(more)), [""; 0], "one attempt is left");
    let sooner = BreakerConfig { failure_threshold: 3, ..BreakerConfig::default() };
    assert_eq!(warnings(both().circuit_breaker(sooner)), [""; 0]);
    assert_eq!(warnings(both().concurrency(2)), [""; 0], "several fail at once");
    let alone = || Delivery::to(NoopAdapter::new());
    assert_eq!(warnings(alone().retry(RetryPolicy::default())), [""; 0]);
    assert_eq!(warnings(alone().circuit_breaker(BreakerConfig::default())), [""; 0]);
}
