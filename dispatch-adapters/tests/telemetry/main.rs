//! What deliveries tell: metrics, spans and events.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod config;
mod lines;
mod logs;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_adapters::http::{AddressGuard, Http, HttpOptions, PoolOptions};
use dispatch_adapters::metrics::{DeliveryMetrics, DeliveryRecorder, DestinationMetrics};
use dispatch_adapters::model::policy::{
    BatchPolicy, BreakerConfig, BreakerPhase, BudgetConfig, Jitter, RateLimit, RetryPolicy,
};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_adapters::{DeadLetters, Delivery, NoopAdapter};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use self::lines::Lines;

/// Held by each test: subscribers of single threads miss events that other threads log for the first time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const SECRET: &str = "hunter2-do-not-show";

/// Fails so many times, hangs on one type of message, and refuses another.
#[derive(Default)]
struct Moody {
    fail_first: usize,
    calls: AtomicUsize,
}

#[async_trait]
impl Adapter for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        match envelope.message_type_str() {
            "Bad" => {
                let source = std::io::Error::other(format!("{SECRET} {envelope:?}"));
                return Err(DeliveryError::permanent("it is not valid").with_source(source));
            }
            "Hangs" => std::future::pending().await,
            _ => {}
        }
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.fail_first {
            return Err(DeliveryError::retry(format!(
                "no: https://user:{SECRET}@example.com/?token={SECRET}"
            )));
        }
        Ok(Receipt::taken())
    }
}

fn envelope(message_type: &str) -> Envelope {
    Envelope::json(message_type, serde_json::json!({ "password": SECRET }))
        .with_header("authorization", SECRET)
}

fn of<'a>(metrics: &'a DeliveryMetrics, destination: &str) -> &'a DestinationMetrics {
    metrics.destination("moody", destination).unwrap()
}

#[tokio::test(start_paused = true)]
async fn attempts_retries_and_outcomes_are_counted() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let delivery = Delivery::to(Moody { fail_first: 2, ..Moody::default() })
        .destination("there")
        .retry(RetryPolicy { max_retries: 2, ..RetryPolicy::default() })
        .timeout(Duration::from_secs(2))
        .metrics(&recorder)
        .start()
        .unwrap();
    delivery.deliver(&envelope("Good")).await.unwrap();
    delivery.deliver(&envelope("Bad")).await.unwrap_err();
    delivery.deliver(&envelope("Hangs")).await.unwrap_err();
    let given_up = envelope("Hangs");
    let given_up = tokio::time::timeout(Duration::from_secs(1), delivery.deliver(&given_up)).await;
    assert!(given_up.is_err());

    let metrics = recorder.snapshot();
    let own = of(&metrics, "there");
    let attempts = own.attempts;
    assert_eq!((attempts.delivered, attempts.permanent, attempts.retry, attempts.timed_out), (1, 1, 2, 3));
    assert_eq!((own.abandoned, own.in_flight, own.attempt_count()), (1, 0, 8));
    assert_eq!((own.delivered, own.failed.permanent, own.failed.retry, own.retries), (1, 1, 1, 4));
    assert_eq!(own.latency.max(), Some(Duration::from_secs(2)), "a time-out is in the latency");
    assert_eq!(own.latency.count(), attempts.total());
    recorder.reset();
    assert_eq!(of(&recorder.snapshot(), "there").attempt_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_is_shown_as_it_is() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let config = BreakerConfig { failure_threshold: 2, ..BreakerConfig::default() };
    let delivery = Delivery::to(Moody { fail_first: 2, ..Moody::default() })
        .circuit_breaker(config)
        .max_held(0)
        .metrics(&recorder)
        .start()
        .unwrap();
    for _ in 0..3 {
        delivery.deliver(&envelope("Good")).await.unwrap_err();
    }
    let metrics = recorder.snapshot();
    let own = of(&metrics, "moody");
    assert_eq!((own.breaker.phase, own.breaker.opened), (BreakerPhase::Open, 1));
    assert_eq!((own.refused.values().sum::<u64>(), own.attempt_count()), (1, 2));
    tokio::time::sleep(Duration::from_secs(61)).await;
    delivery.deliver(&envelope("Good")).await.unwrap();
    let metrics = recorder.snapshot();
    let breaker = of(&metrics, "moody").breaker;
    assert_eq!((breaker.phase, breaker.half_opened, breaker.closed), (BreakerPhase::Closed, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn batches_and_their_envelopes_are_counted() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let batch = BatchPolicy { max_size: 3, max_age: Duration::from_secs(1) };
    let delivery = Delivery::to(Moody::default()).batch(batch).metrics(&recorder).start().unwrap();
    for _ in 0..7 {
        drop(delivery.enqueue(envelope("Good")).unwrap());
    }
    assert!(delivery.shutdown(Duration::from_secs(9)).await.is_complete());
    let metrics = recorder.snapshot();
    let own = of(&metrics, "moody");
    assert_eq!((own.batches, own.batched_envelopes, own.delivered), (3, 7, 7));
    assert_eq!(own.attempts.delivered, 3, "a batch is one attempt");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_rate_or_a_budget_and_what_runs_is_counted() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let limited = Delivery::to(Moody::default())
        .destination("limited")
        .rate_limit(RateLimit::per_second(1))
        .metrics(&recorder)
        .start()
        .unwrap();
    for _ in 0..3 {
        limited.deliver(&envelope("Good")).await.unwrap();
    }
    let metrics = recorder.snapshot();
    let own = of(&metrics, "limited");
    assert_eq!((own.rate_limited, own.delivered), (2, 3));

    let budget = BudgetConfig { ratio: 0.0, min_per_second: 1, burst: 1 };
    let retry = RetryPolicy { budget: Some(budget), jitter: Jitter::None, ..RetryPolicy::default() };
    let failing = Delivery::to(Moody { fail_first: 3, ..Moody::default() })
        .destination("failing")
        .retry(retry.with_base(Duration::from_millis(1)))
        .metrics(&recorder)
        .start()
        .unwrap();
    failing.deliver(&envelope("Good")).await.unwrap();
    let metrics = recorder.snapshot();
    let own = of(&metrics, "failing");
    assert_eq!((own.retries, own.budget_waits), (3, 2), "the first one was saved up");

    let hanging = Delivery::to(Moody::default())
        .destination("hanging")
        .concurrency(3)
        .metrics(&recorder)
        .start()
        .unwrap();
    for _ in 0..3 {
        drop(hanging.enqueue(envelope("Hangs")).unwrap());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let metrics = recorder.snapshot();
    let own = of(&metrics, "hanging");
    assert_eq!((own.in_flight, own.attempts.total(), own.attempt_count()), (3, 0, 3));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let metrics = recorder.snapshot();
    let own = of(&metrics, "hanging");
    assert_eq!((own.in_flight, own.attempts.timed_out), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn targets_of_dead_letters_are_counted() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let archive = Moody { fail_first: 2, ..Moody::default() };
    let letters = DeadLetters::builder([archive]).metrics(&recorder).start().unwrap();
    let delivery = Delivery::to(Moody::default()).dead_letters(&letters).metrics(&recorder).start().unwrap();
    delivery.deliver(&envelope("Bad")).await.unwrap_err();
    assert!(letters.close(Duration::from_secs(600)).await.is_complete());
    let metrics = recorder.snapshot();
    assert_eq!(of(&metrics, "moody").dead_lettered, 1);
    let target = metrics.destination("dead_letters", "moody").unwrap();
    assert_eq!((target.dead_letters_kept, target.dead_letters_stored), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_has_a_span_its_failures_have_events_and_nothing_shows_a_secret() {
    let _alone = ALONE.lock().await;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let letters = DeadLetters::to([Moody { fail_first: 1, ..Moody::default() }]).unwrap();
    let delivery = Delivery::to(Moody { fail_first: 1, ..Moody::default() })
        .destination("there")
        .retry(RetryPolicy::default())
        .dead_letters(&letters)
        .start()
        .unwrap();
    let (good, bad) = (envelope("Good"), envelope("Bad"));
    delivery.deliver(&good).await.unwrap();
    delivery.deliver(&bad).await.unwrap_err();
    assert!(letters.close(Duration::from_secs(600)).await.is_complete());

    let all = lines.all();
    let with = |parts: &[&str]| lines.with(parts);
    for envelope in [&good, &bad] {
        let id = format!("envelope_id={}", envelope.id());
        let kind = format!("message_type={:?}", envelope.message_type_str());
        assert_eq!(with(&["span deliver adapter=moody destination=there", &id, &kind]), 1, "{all:#?}");
    }
    assert_eq!(with(&["DEBUG in 1 spans", "attempt failed", "kind=\"retry\""]), 1, "{all:#?}");
    assert_eq!(with(&["DEBUG in 1 spans", "attempt failed", "kind=\"permanent\""]), 1, "{all:#?}");
    assert_eq!(with(&["WARN in 1 spans", "delivery failed for good", "attempts=1"]), 1, "{all:#?}");
    assert_eq!(with(&[SECRET]), 0, "{all:#?}");
}

/// Lets warnings through and counts spans.
struct Quiet(Arc<AtomicUsize>);

impl Subscriber for Quiet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.0.fetch_add(1, Ordering::SeqCst);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_and_there_is_no_span() {
    let _alone = ALONE.lock().await;
    let spans = Arc::new(AtomicUsize::new(0));
    let _guard = tracing::subscriber::set_default(Quiet(Arc::clone(&spans)));
    let delivery = Delivery::to(Moody::default()).start().unwrap();
    delivery.deliver(&envelope("Good")).await.unwrap();
    assert_eq!(spans.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_destination_is_called_by_its_url_without_what_may_be_a_secret() {
    let _alone = ALONE.lock().await;
    let recorder = DeliveryRecorder::new();
    let url = "http://joe:s3cret@127.0.0.1:1/hooks?key=s3cret#s3cret";
    let shown = "http://127.0.0.1:1/hooks";
    let pool = PoolOptions { guard: Some(AddressGuard::off()), ..PoolOptions::default() };
    let hook = WebhookOptions::new(url, Secret::new("s3cret").unwrap()).with_pool(pool);
    let adapters: [Arc<dyn Adapter>; 2] =
        [Arc::new(Http::new(HttpOptions::new(url))), Arc::new(Webhook::new(hook))];
    for adapter in adapters {
        let name = adapter.name().to_owned();
        let delivery = Delivery::to(adapter).metrics(&recorder).start().unwrap();
        assert_eq!((&*delivery.labels().adapter, &*delivery.labels().destination), (&*name, shown));
        delivery.deliver(&Envelope::empty("Note")).await.unwrap_err();
        let metrics = recorder.snapshot();
        assert!(metrics.destination(&name, shown).is_some(), "{metrics:?}");
        assert!(!serde_json::to_string(&metrics).unwrap().contains("s3cret"));

        let named = Delivery::to(delivery).destination("partner").start().unwrap();
        assert_eq!(&*named.labels().destination, "partner");
    }
    // What is not valid has no URL, and what has none is called by its name.
    assert_eq!(Http::new(HttpOptions::new("ftp://s3cret/")).destination(), "http");
    assert_eq!(NoopAdapter::new().destination(), "noop");
}
