use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
use dispatch_core::dispatcher::{Context, Dispatcher, DispatcherError, Outputs};
use dispatch_core::policy::{BreakerConfig, BreakerPhase, BudgetConfig, Failure, RateLimit, RetryPolicy};
use dispatch_core::{Category, Envelope};
use tokio::time::Instant;

use super::*;

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Fails so often, then does what it is told.
#[derive(Default)]
struct Worker {
    fail_first: usize,
    never: bool,
    slow: Duration,
    calls: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Dispatcher for Worker {
    fn id(&self) -> &str {
        "worker"
    }

    fn category(&self) -> Category {
        Category::Event
    }

    async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(self.slow).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let error = DispatcherError::new("Unavailable", "try later");
        match call < self.fail_first {
            true if self.never => Err(error.unrecoverable()),
            true => Err(error),
            false => Ok(Outputs::none()),
        }
    }
}

/// Hands an envelope to a dispatcher in an engine, as its users do.
async fn run(dispatcher: impl Dispatcher, envelopes: usize) -> Vec<bool> {
    let engine = dispatch_actors::Engine::builder()
        .dispatcher(dispatch_actors::Registration::object(dispatcher))
        .route(dispatch_core::Route::new("all", "**", Category::Event, "worker"))
        .configure(|config| config.timeout = s(3600))
        .freeze()
        .unwrap();
    let results =
        engine.dispatch_many((0..envelopes).map(|_| ("a.events", Envelope::empty("Happened")))).await;
    results.into_iter().map(|result| result.unwrap().is_successful()).collect()
}

#[actix::test]
async fn a_retry_goes_around_a_dispatcher() {
    tokio::time::pause();
    let worker = Arc::new(Worker { fail_first: 2, ..Worker::default() });
    let before = Instant::now();
    let policy = Retry::seeded(RetryPolicy::default(), 1);
    assert_eq!(run(Around::dispatcher(policy, Arc::clone(&worker)), 1).await, [true]);
    assert_eq!(worker.calls.load(Ordering::SeqCst), 3);
    assert!(before.elapsed() >= Duration::from_millis(1500));
}

#[actix::test]
async fn what_a_dispatcher_fails_to_handle_is_a_dead_letter_once() {
    use dispatch_core::delivery::{Adapter, DeadLetter, DeadLetterOrigin, DeliveryError, Receipt};

    #[derive(Default)]
    struct Grave(std::sync::Mutex<Vec<Arc<DeadLetter>>>);

    #[async_trait]
    impl Adapter for Grave {
        fn name(&self) -> &str {
            "grave"
        }

        async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
            self.0.lock().unwrap().extend(DeadLetter::from_envelope(envelope));
            Ok(Receipt::taken())
        }
    }

    tokio::time::pause();
    let grave = Arc::new(Grave::default());
    let letters = crate::DeadLetters::to([Arc::clone(&grave)]).unwrap();
    // Four attempts fail; then the breaker refuses, and then the next envelope is handled.
    let worker = Arc::new(Worker { fail_first: 4, ..Worker::default() });
    let breaker = Breaker::new(BreakerConfig { failure_threshold: 4, ..BreakerConfig::default() }).unwrap();
    let policy = Stack(Retry::new(RetryPolicy::default()), breaker.clone());
    let worker = crate::Buried::new(Around::dispatcher(policy, worker), &letters);
    assert_eq!(run(worker.clone(), 1).await, [false]);
    assert_eq!(run(worker.clone(), 1).await, [false]);
    breaker.reset(Operation::new("test"));
    assert_eq!(run(worker, 1).await, [true]);
    assert!(letters.close(s(1)).await.is_complete());
    let kept = grave.0.lock().unwrap();
    assert_eq!(kept.len(), 1);
    let origin = DeadLetterOrigin::Dispatcher { dispatcher: "worker".to_owned() };
    assert_eq!((&kept[0].origin, kept[0].history.attempts), (&origin, 4));
}

#[actix::test]
async fn what_a_dispatcher_calls_unrecoverable_is_not_tried_again() {
    let worker = Arc::new(Worker { fail_first: 9, never: true, ..Worker::default() });
    let policy = Retry::new(RetryPolicy::default());
    assert_eq!(run(Around::dispatcher(policy, Arc::clone(&worker)), 1).await, [false]);
    assert_eq!(worker.calls.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn a_breaker_around_a_dispatcher_refuses_at_once() {
    let worker = Arc::new(Worker { fail_first: 9, ..Worker::default() });
    let breaker = Breaker::new(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() }).unwrap();
    let guarded = Around::dispatcher(breaker.clone(), Arc::clone(&worker));
    assert_eq!(run(guarded, 1).await, [false]);
    assert_eq!(breaker.phase(), BreakerPhase::Open);
    assert_eq!(run(Around::dispatcher(breaker, Arc::clone(&worker)), 5).await, [false; 5]);
    assert_eq!(worker.calls.load(Ordering::SeqCst), 1);
}

#[actix::test]
async fn an_in_flight_limit_a_time_out_and_a_rate_go_around_a_dispatcher() {
    tokio::time::pause();
    let worker = Arc::new(Worker { slow: s(1), ..Worker::default() });
    assert_eq!(run(Around::dispatcher(InFlight::new(2).unwrap(), Arc::clone(&worker)), 6).await, [true; 6]);
    assert_eq!(worker.most.load(Ordering::SeqCst), 2);

    let slow = Arc::new(Worker { slow: s(10), ..Worker::default() });
    assert_eq!(run(Around::dispatcher(Timeout::new(s(2)), slow), 1).await, [false]);

    let before = Instant::now();
    let rate = Rate::new(RateLimit::per_second(10));
    assert_eq!(run(Around::dispatcher(rate, Arc::new(Worker::default())), 11).await, [true; 11]);
    assert!(before.elapsed() >= s(1));
}

#[actix::test]
async fn a_fallback_stands_in_for_a_dispatcher() {
    let worker = Arc::new(Worker { fail_first: 9, ..Worker::default() });
    let instead = OrElse::new(worker, |_: &Envelope, error: &DispatcherError| {
        assert_eq!(error.error_type(), "Unavailable");
        Ok(Outputs::none())
    });
    assert_eq!(run(instead, 1).await, [true]);
}

/// A dispatcher with a bug.
struct Buggy;

#[async_trait]
impl Dispatcher for Buggy {
    fn id(&self) -> &str {
        "worker"
    }

    fn category(&self) -> Category {
        Category::Event
    }

    async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
        panic!("a bug")
    }
}

#[actix::test]
async fn a_dispatcher_that_panics_falls_back() {
    let instead = OrElse::new(Buggy, |_: &Envelope, error: &DispatcherError| {
        assert_eq!((error.error_type(), error.message()), ("Panic", "a bug"));
        Ok(Outputs::none())
    });
    assert_eq!(run(instead, 1).await, [true]);
}

#[actix::test]
async fn what_a_dispatcher_panics_at_is_a_dead_letter_and_an_outcome() {
    let letters = crate::DeadLetters::to([crate::NoopAdapter::new()]).unwrap();
    let counts = Arc::new(Buried::default());
    let telemetry = telemetry().with_observers([Arc::clone(&counts) as Arc<dyn DeliveryObserver>]);
    let buried = crate::Buried::new(Buggy, &letters).with_telemetry(telemetry);
    assert_eq!(run(buried, 1).await, [false]);
    assert!(letters.close(s(1)).await.is_complete());
    assert_eq!(counts.0.load(Ordering::SeqCst), 1);
}

/// Counts dead letters.
#[derive(Default)]
struct Buried(AtomicUsize);

impl DeliveryObserver for Buried {
    fn on_event(&self, _: &DeliveryLabels, event: &DeliveryEvent) {
        self.0.fetch_add(usize::from(matches!(event, DeliveryEvent::DeadLettered)), Ordering::SeqCst);
    }
}

/// An error that plain futures fail with in these tests.
type Tried<T> = Result<T, dispatch_core::DeliveryError>;

fn call(telemetry: &Telemetry) -> Call<'_> {
    Call::new(telemetry)
}

fn telemetry() -> Telemetry {
    Telemetry::new(dispatch_core::DeliveryLabels::new("test", "there"))
}

#[tokio::test(start_paused = true)]
async fn a_budget_makes_retries_wait_and_gives_none_up() {
    let budget = BudgetConfig { ratio: 0.0, min_per_second: 1, burst: 1 };
    let policy =
        RetryPolicy { budget: Some(budget), base: Duration::from_millis(1), ..RetryPolicy::default() };
    let (retry, telemetry, before) = (Retry::seeded(policy, 3), telemetry(), Instant::now());
    let attempts = AtomicUsize::new(0);
    let failing = || async {
        attempts.fetch_add(1, Ordering::SeqCst);
        Tried::<()>::Err(dispatch_core::DeliveryError::retry("down"))
    };
    let calls = (0..10).map(|_| retry.apply(call(&telemetry), failing));
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().history().unwrap().attempts == 4));
    assert_eq!(attempts.load(Ordering::SeqCst), 40);
    assert!(before.elapsed() >= s(29), "30 retries, one at once and one a second: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_names_its_delay_is_believed_up_to_the_cap() {
    let policy = RetryPolicy { max_retries: 1, ..RetryPolicy::default() };
    for (wanted, waited) in [(7, 7), (300, 30)] {
        let (retry, telemetry, before) = (Retry::new(policy.clone()), telemetry(), Instant::now());
        let failing =
            || async { Tried::<()>::Err(dispatch_core::DeliveryError::retry_after(s(wanted), "busy")) };
        retry.apply(call(&telemetry), failing).await.unwrap_err();
        assert_eq!(before.elapsed(), s(waited));
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end_when_their_time_is_up() {
    let policy = RetryPolicy { max_retries: 1000, give_up_after: Some(s(60)), ..RetryPolicy::default() };
    let (retry, telemetry, before) = (Retry::new(policy), telemetry(), Instant::now());
    let failing = || async { Tried::<()>::Err(dispatch_core::DeliveryError::retry("down")) };
    retry.apply(call(&telemetry), failing).await.unwrap_err();
    assert!(before.elapsed() <= s(60));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_frees_its_place() {
    let config = BreakerConfig { failure_threshold: 1, half_open_max_calls: 1, ..BreakerConfig::default() };
    let (breaker, telemetry) = (Breaker::new(config).unwrap(), telemetry());
    breaker.record_failure(Operation::new("test"));
    tokio::time::advance(s(60)).await;
    let hanging = breaker.apply(call(&telemetry), std::future::pending::<Tried<()>>);
    assert!(tokio::time::timeout(s(1), hanging).await.is_err());
    assert_eq!(breaker.phase(), BreakerPhase::HalfOpen);
    breaker.apply(call(&telemetry), || async { Tried::Ok(()) }).await.unwrap();
    assert_eq!(breaker.phase(), BreakerPhase::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_fault_of_the_destination_opens_no_breaker() {
    let (breaker, telemetry) = (Breaker::new(BreakerConfig::default()).unwrap(), telemetry());
    for _ in 0..50 {
        let refused = || async { Tried::<()>::Err(dispatch_core::DeliveryError::permanent("not valid")) };
        assert!(!breaker.apply(call(&telemetry), refused).await.unwrap_err().is_fault());
    }
    assert_eq!(breaker.phase(), BreakerPhase::Closed);
}

#[tokio::test]
async fn a_breaker_counts_every_failure_of_many_threads() {
    let config = BreakerConfig { failure_threshold: 4000, ..BreakerConfig::default() };
    let breaker = Breaker::new(config).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..999).for_each(|_| breaker.record_failure(Operation::new("test"))));
        }
    });
    assert_eq!(breaker.phase(), BreakerPhase::Closed, "3,996 failures");
    (0..4).for_each(|_| breaker.record_failure(Operation::new("test")));
    assert_eq!(breaker.phase(), BreakerPhase::Open);
    breaker.reset(Operation::new("test"));
    assert!(breaker.check(Operation::new("test")).is_ok());
}
