//! What is logged, and with which fields.

use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::metrics::DeliveryRecorder;
use dispatch_adapters::model::Adapter as _;
use dispatch_adapters::model::delivery::{DeliveryLabels, DeliveryObserver};
use dispatch_adapters::model::policy::{BatchPolicy, BreakerConfig, BreakerPhase, RetryPolicy};
use dispatch_adapters::model::uuid::Uuid;
use dispatch_adapters::policy::{Breaker, Operation, Telemetry};
use dispatch_adapters::{Delivery, DeliveryBuilder, NoopAdapter};

use crate::lines::Lines;
use crate::{ALONE, Moody, envelope};

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
        "raise max_retries to at least 5, or lower failure_threshold below 4",
    ] {
        assert!(line.contains(part), "no '{part}' in {line}");
    }

    let as_many = RetryPolicy::default().with_max_retries(4);
    assert_eq!(warnings(both().retry(as_many)).len(), 1, "its last failure opens it");
    let more = RetryPolicy::default().with_max_retries(5);
    assert_eq!(warnings(both().retry(more)), [""; 0], "one attempt is left");
    let sooner = BreakerConfig { failure_threshold: 3, ..BreakerConfig::default() };
    assert_eq!(warnings(both().circuit_breaker(sooner)), [""; 0]);
    assert_eq!(warnings(both().concurrency(16)).len(), 1, "it may be alone");
    let [line] = &*warnings(both().retry(RetryPolicy::default().with_max_retries(0))) else { panic!("one") };
    assert!(line.contains("to at least 5") && !line.contains("lower"), "nothing is below 1: {line}");
    let alone = || Delivery::to(NoopAdapter::new());
    assert_eq!(warnings(alone().retry(RetryPolicy::default())), [""; 0]);
    assert_eq!(warnings(alone().circuit_breaker(BreakerConfig::default())), [""; 0]);
}

#[test]
fn everything_that_a_breaker_handle_logs_says_which_service_transport_operation_and_work() {
    let _alone = ALONE.blocking_lock();
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
    let breaker = Breaker::new(config).unwrap().named("ledger", "grpc");
    let operation = Operation::new("book").with_correlation_id(Uuid::from_u128(7));
    breaker.record_success(operation);
    breaker.record_failure(operation);
    assert!(breaker.check(operation).is_err());
    breaker.reset(operation);
    drop(guard);
    let names = ["service_name=\"ledger\"", "transport_type=\"grpc\""];
    let work = ["operation=\"book\"", "correlation_id=00000000-0000-0000-0000-000000000007"];
    for (level, message, times) in [
        ("TRACE", "recorded by a circuit breaker", 2),
        ("DEBUG", "refused by an open circuit breaker", 1),
        ("INFO", "circuit breaker reset", 1),
    ] {
        let parts = [&[level, message], &names[..], &work[..]].concat();
        assert_eq!(lines.with(&parts), times, "{message}: {:#?}", lines.all());
    }
    // Opened and closed: of the breaker, not of an operation.
    let changed = [&["WARN", "circuit breaker changed"], &names[..]].concat();
    assert_eq!(lines.with(&changed), 2, "{:#?}", lines.all());
}

#[test]
fn a_breaker_handle_is_counted_with_a_telemetry_and_not_with_a_name() {
    let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
    let recorder = DeliveryRecorder::new();
    let labels = DeliveryLabels::new("grpc", "ledger");
    let meter = recorder.meter(&labels) as Arc<dyn DeliveryObserver>;
    let counted =
        Breaker::new(config).unwrap().with_telemetry(Telemetry::new(labels).with_observers([meter]));
    counted.record_failure(Operation::new("book"));
    assert!(counted.check(Operation::new("book")).is_err());
    Breaker::new(config).unwrap().named("other", "grpc").record_failure(Operation::new("book"));
    let metrics = recorder.snapshot();
    let own = metrics.destination("grpc", "ledger").unwrap();
    assert_eq!((own.breaker.phase, own.breaker.opened), (BreakerPhase::Open, 1));
    assert_eq!(own.refused.values().sum::<u64>(), 1);
    assert!(metrics.destination("grpc", "other").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_batch_from_a_list_or_a_queue_has_a_span_with_its_attempts_in_it() {
    let _alone = ALONE.lock().await;
    for queued in [false, true] {
        let lines = Lines::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        let delivery = Delivery::to(Moody { fail_first: 3, ..Moody::default() })
            .destination("there")
            .retry(RetryPolicy::default())
            .batch(BatchPolicy { max_size: 3, max_age: Duration::from_secs(1) })
            .start()
            .unwrap();
        let envelopes = [envelope("Good"), envelope("Good"), envelope("Good")];
        if queued {
            envelopes.into_iter().for_each(|envelope| drop(delivery.enqueue(envelope).unwrap()));
            assert!(delivery.shutdown(Duration::from_secs(60)).await.is_complete());
        } else {
            assert!(delivery.deliver_batch(&envelopes).await.iter().all(Result::is_ok));
        }
        drop(guard);
        let span = ["INFO span deliver_batch", "adapter=moody", "destination=there", "envelopes=3"];
        assert_eq!(lines.with(&span), 1, "{:#?}", lines.all());
        assert_eq!(lines.with(&["DEBUG in 1 spans", "attempt failed"]), 1, "{:#?}", lines.all());
    }
}
