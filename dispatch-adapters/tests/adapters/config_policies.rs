//! Each key of a policy in a configuration takes effect.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_adapters::Targets;
use dispatch_adapters::config::AdapterRegistry;
use dispatch_adapters::delivery::Delivery;
use dispatch_adapters::model::policy::{BreakerPhase, RefusedBy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use tokio::time::Instant;

/// Takes 1 s for each call, fails what is called `Bad`, hangs on `Hangs`, and writes down what it is asked.
#[derive(Default)]
struct Log {
    running: AtomicUsize,
    most: AtomicUsize,
    calls: Mutex<Vec<(Instant, usize)>>,
}

#[derive(Clone, Default)]
struct Worker(Arc<Log>);

impl Worker {
    /// When it was asked, in whole seconds since a moment.
    fn asked(&self, since: Instant) -> Vec<u64> {
        self.0.calls.lock().unwrap().iter().map(|(at, _)| (*at - since).as_secs()).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.0.calls.lock().unwrap().iter().map(|(_, size)| *size).collect()
    }

    fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Adapter for Worker {
    fn name(&self) -> &str {
        "worker"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.deliver_batch(std::slice::from_ref(envelope)).await.remove(0)
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.0.calls.lock().unwrap().push((Instant::now(), envelopes.len()));
        let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(running, Ordering::SeqCst);
        let hangs = envelopes.iter().any(|envelope| envelope.message_type_str() == "Hangs");
        tokio::time::sleep(Duration::from_secs(if hangs { 3600 } else { 1 })).await;
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        let answer = |envelope: &Envelope| match envelope.message_type_str() {
            "Bad" => Err(DeliveryError::retry("bad")),
            _ => Ok(Receipt::taken()),
        };
        envelopes.iter().map(answer).collect()
    }
}

/// A target with these keys, started.
fn started(keys: &str) -> (Worker, Targets, Instant) {
    let worker = Worker::default();
    let mut registry = AdapterRegistry::with_built_in();
    let own = worker.clone();
    registry.register("worker", move |_| own.clone()).unwrap();
    let ready = registry.read_toml(&format!("[[targets]]\ntype = 'worker'\n{keys}")).unwrap();
    (worker, Targets::start(&ready).unwrap(), Instant::now())
}

fn delivery(targets: &Targets) -> &Delivery {
    targets.list()[0].delivery()
}

fn queue(targets: &Targets, message_type: &str, count: usize) {
    for _ in 0..count {
        drop(delivery(targets).enqueue(Envelope::empty(message_type)).unwrap());
    }
}

async fn finish(targets: &Targets) {
    for report in targets.list() {
        assert!(report.delivery().shutdown(Duration::from_secs(3600)).await.is_complete());
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_there_is_one_attempt_of_5_s_and_one_after_the_other() {
    let (worker, targets, since) = started("");
    queue(&targets, "Bad", 1);
    queue(&targets, "Hangs", 1);
    queue(&targets, "Good", 1);
    finish(&targets).await;
    assert_eq!(worker.asked(since), [0, 1, 6]);
}

#[tokio::test(start_paused = true)]
async fn retry() {
    let (worker, targets, since) =
        started("retry = { max_retries = 2, kind = 'fixed', base_ms = 10000, jitter = 'none' }");
    queue(&targets, "Bad", 1);
    finish(&targets).await;
    assert_eq!(worker.asked(since), [0, 11, 22]);
}

#[tokio::test(start_paused = true)]
async fn circuit_breaker_and_max_held() {
    let keys = "circuit_breaker = { failure_threshold = 1, recovery_timeout_ms = 20000 }\nmax_held = 1";
    let (worker, targets, since) = started(keys);
    let delivery = delivery(&targets);
    delivery.deliver(&Envelope::empty("Bad")).await.unwrap_err();
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    let (first, second) = (Envelope::empty("Good"), Envelope::empty("Good"));
    let (held, refused) = tokio::join!(delivery.deliver(&first), delivery.deliver(&second));
    assert!(held.is_ok());
    assert_eq!(refused.unwrap_err().refusal().unwrap().by, RefusedBy::CircuitOpen);
    assert_eq!(worker.asked(since), [0, 21]);
}

#[tokio::test(start_paused = true)]
async fn hold_for() {
    let keys = "retry = { max_retries = 1, kind = 'fixed', base_ms = 1, jitter = 'none' }\n\
                circuit_breaker = { failure_threshold = 1, recovery_timeout_ms = 10000 }\nhold_for_ms = 25000";
    let (worker, targets, since) = started(keys);
    let failed = delivery(&targets).deliver(&Envelope::empty("Bad")).await.unwrap_err();
    assert_eq!(failed.history().unwrap().attempts, 2, "free ones do not count: {failed:?}");
    // The first probe has failed at 12: those that end within 25 s of that are free, and the next one counts.
    assert_eq!(worker.asked(since), [0, 11, 22, 33, 44]);
}

#[tokio::test(start_paused = true)]
async fn rate_limits() {
    for keys in [
        "rate_limit = { events = 1, per_ms = 10000, burst = 1 }",
        "key_rate_limit = { events = 1, per_ms = 10000, burst = 1 }",
    ] {
        let (worker, targets, since) = started(&format!("{keys}\nconcurrency = 4"));
        for key in ["a", "b", "a"] {
            drop(delivery(&targets).enqueue(Envelope::empty("Good").with_key(key)).unwrap());
        }
        finish(&targets).await;
        let expected = if keys.starts_with("key") { [0, 0, 10] } else { [0, 10, 20] };
        assert_eq!(worker.asked(since), expected, "{keys}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_in_flight_and_concurrency() {
    for (keys, most) in [("concurrency = 4", 4), ("concurrency = 4\nmax_in_flight = 2", 2), ("", 1)] {
        let (worker, targets, _) = started(keys);
        queue(&targets, "Good", 8);
        finish(&targets).await;
        assert_eq!(worker.most(), most, "{keys}");
    }
}

#[tokio::test(start_paused = true)]
async fn timeout() {
    let (worker, targets, since) = started("timeout_ms = 30000");
    queue(&targets, "Hangs", 1);
    queue(&targets, "Good", 1);
    finish(&targets).await;
    assert_eq!(worker.asked(since), [0, 30]);
}

#[tokio::test(start_paused = true)]
async fn batch() {
    let (worker, targets, since) = started("batch = { max_size = 3, max_age_ms = 7000 }");
    queue(&targets, "Good", 4);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((worker.sizes(), worker.asked(since)), (vec![3, 1], vec![0, 7]));
}

#[tokio::test(start_paused = true)]
async fn queue_and_async() {
    let (_, targets, since) = started("async = true\nqueue = 2");
    let envelope = Envelope::empty("Good");
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(targets.deliver_each(&envelope).await.remove(0).result);
    }
    assert_eq!(since.elapsed(), Duration::ZERO, "nobody waits for the destination");
    assert!(outcomes[..2].iter().all(|outcome| outcome.as_ref().unwrap().queued));
    assert_eq!(outcomes[2].as_ref().unwrap_err().refusal().unwrap().by, RefusedBy::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn fallback_and_dead_letters() {
    let (_, targets, _) = started("fallback = { type = 'noop' }");
    assert!(delivery(&targets).deliver(&Envelope::empty("Bad")).await.unwrap().fallback);
    let (_, targets, _) = started("dead_letters = [{ type = 'file', path = '/dev/full' }]");
    delivery(&targets).deliver(&Envelope::empty("Bad")).await.unwrap_err();
    assert_eq!(
        targets.close_dead_letters(Duration::from_secs(1)).await.left.len(),
        1,
        "it is kept and handed back"
    );
}
