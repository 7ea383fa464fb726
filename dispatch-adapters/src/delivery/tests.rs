use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::Envelope;
use dispatch_core::delivery::{
    Adapter, DeadLetter, DeliveryError, DeliveryEvent, DeliveryLabels, DeliveryObserver, HealthStatus,
    Receipt,
};
use dispatch_core::policy::{BatchPolicy, BreakerConfig, BreakerPhase, RateLimit, RefusedBy, RetryPolicy};
use tokio::time::Instant;

use super::*;
use crate::dead_letters::DeadLetters;

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A destination that is told how to behave.
#[derive(Default)]
struct Puppet {
    down: AtomicBool,
    hangs: AtomicBool,
    calls: AtomicUsize,
    fail_first: usize,
    disabled: AtomicBool,
    taken: Taken,
}

/// Ids of what arrived, and how often.
#[derive(Default)]
struct Taken(std::sync::Mutex<BTreeMap<dispatch_core::uuid::Uuid, usize>>);

impl Puppet {
    fn taken(&self) -> usize {
        self.taken.0.lock().unwrap().len()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Adapter for Puppet {
    fn name(&self) -> &str {
        "puppet"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match envelope.message_type_str() {
            "Bad" => return Err(DeliveryError::permanent("bad")),
            "Panics" => panic!("no such luck"),
            _ => {}
        }
        if self.disabled.load(Ordering::SeqCst) {
            return Err(DeliveryError::disabled("gone"));
        }
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if call < self.fail_first || self.down.load(Ordering::SeqCst) {
            return Err(DeliveryError::retry("down"));
        }
        *self.taken.0.lock().unwrap().entry(envelope.id()).or_default() += 1;
        Ok(Receipt::taken())
    }
}

/// Counts events by name.
#[derive(Default)]
struct Counts(std::sync::Mutex<BTreeMap<String, usize>>);

impl DeliveryObserver for Counts {
    fn on_event(&self, _: &DeliveryLabels, event: &DeliveryEvent) {
        let name = format!("{event:?}");
        let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }
}

impl Counts {
    fn of(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

fn event() -> Envelope {
    Envelope::empty("Happened")
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_retried_and_counted() {
    let (puppet, counts) =
        (Arc::new(Puppet { fail_first: 2, ..Puppet::default() }), Arc::new(Counts::default()));
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .seed(7)
        .observe(Arc::clone(&counts) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    let before = Instant::now();
    delivery.deliver(&event()).await.unwrap();
    assert!((s(1)..=s(3)).contains(&before.elapsed()), "{:?}", before.elapsed());
    assert_eq!(["Attempted", "Retrying", "Delivered", "Failed"].map(|name| counts.of(name)), [3, 2, 1, 0]);
    assert_eq!(delivery.health().await.status, HealthStatus::Healthy);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_helped_is_dead_lettered_at_once_and_once() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .dead_letters(&letters)
        .start()
        .unwrap();
    let error = delivery.deliver(&Envelope::empty("Bad")).await.unwrap_err();
    assert_eq!((error.history().unwrap().attempts, puppet.calls()), (1, 1));
    delivery.deliver(&event()).await.unwrap();
    assert!(letters.close(s(1)).await.is_empty());
    assert_eq!(grave.taken(), 1, "what succeeded is not dead-lettered");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_fails_makes_no_other_one() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet)).dead_letters(&letters).start().unwrap();
    let carried = event().with_header(DeadLetter::HEADER, "x");
    assert!(delivery.deliver(&carried).await.is_err());
    assert!(letters.close(s(1)).await.is_empty());
    assert_eq!(grave.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_dead_letters_to_itself_does_not_feed_itself() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let inner = Delivery::to(Arc::clone(&puppet)).start().unwrap();
    let letters = DeadLetters::to([inner.clone()]).unwrap();
    let delivery = Delivery::to(inner).dead_letters(&letters).start().unwrap();
    assert!(delivery.deliver(&event()).await.is_err());
    tokio::time::sleep(s(3600)).await;
    assert_eq!(letters.pending(), 1, "the one letter is kept");
    puppet.down.store(false, Ordering::SeqCst);
    assert!(letters.close(s(60)).await.is_empty());
    assert_eq!(puppet.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_outage_lose_nothing_and_fill_no_dead_letters() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let counts = Arc::new(Counts::default());
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig::default())
        .max_in_flight(8)
        .concurrency(256)
        .dead_letters(&letters)
        .observe(Arc::clone(&counts) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    puppet.down.store(true, Ordering::SeqCst);
    for _ in 0..600 {
        drop(delivery.enqueue(event()).unwrap());
        tokio::time::sleep(s(1)).await;
    }
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    let calls = puppet.calls();
    assert!(calls < 100, "{calls} calls of a destination that is down");
    puppet.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(s(61)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Closed, "one probe is enough");
    let report = delivery.shutdown(s(60)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((puppet.taken(), grave.calls(), letters.pending()), (600, 0, 0));
    assert!(counts.of("Held") > 0);
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_of_what_is_held_the_caller_is_refused_with_the_time_that_remains() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
    let delivery = Delivery::to(Arc::clone(&puppet)).circuit_breaker(config).max_held(1).start().unwrap();
    assert!(delivery.deliver(&event()).await.unwrap_err().refusal().is_none());
    let (held, envelope) = (delivery.clone(), event());
    let held = tokio::spawn(async move { held.deliver(&envelope).await });
    tokio::task::yield_now().await;
    let refused = delivery.deliver(&event()).await.unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!((refusal.by, refusal.retry_in), (RefusedBy::CircuitOpen, Some(s(60))));
    puppet.down.store(false, Ordering::SeqCst);
    assert!(held.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_what_the_destination_does_not() {
    let (puppet, second) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
    let delivery = Delivery::to(Arc::clone(&puppet))
        .circuit_breaker(config)
        .fallback(Fallback::to(Arc::clone(&second)))
        .start()
        .unwrap();
    for _ in 0..5 {
        assert!(delivery.deliver(&event()).await.unwrap().fallback);
    }
    assert_eq!(
        (puppet.calls(), second.taken()),
        (1, 5),
        "an open breaker holds nothing if there is a fallback"
    );
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_wants_nothing_more_is_left_alone() {
    let puppet = Arc::new(Puppet::default());
    puppet.disabled.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet)).retry(RetryPolicy::default()).start().unwrap();
    for _ in 0..3 {
        assert!(delivery.deliver(&event()).await.is_err());
    }
    assert!(delivery.is_disabled() && puppet.calls() == 1);
    puppet.disabled.store(false, Ordering::SeqCst);
    delivery.enable();
    assert!(delivery.deliver(&event()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_hang_are_failures_like_others() {
    let puppet = Arc::new(Puppet::default());
    let delivery = Delivery::to(Arc::clone(&puppet)).timeout(s(2)).start().unwrap();
    let error = delivery.deliver(&Envelope::empty("Panics")).await.unwrap_err();
    assert_eq!(error.to_string(), "the adapter panicked: no such luck");
    puppet.hangs.store(true, Ordering::SeqCst);
    let before = Instant::now();
    let error = delivery.deliver(&event()).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), before.elapsed()), ("no answer within 2000 ms", s(2)));
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_delays_and_loses_nothing() {
    let puppet = Arc::new(Puppet::default());
    let delivery = Delivery::to(Arc::clone(&puppet))
        .rate_limit(RateLimit::per_second(10).with_burst(5))
        .start()
        .unwrap();
    let before = Instant::now();
    for _ in 0..55 {
        drop(delivery.enqueue(event()).unwrap());
    }
    assert!(delivery.shutdown(s(60)).await.is_complete());
    assert_eq!((puppet.taken(), before.elapsed().as_millis() / 10), (55, 500));
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_rate_of_its_own() {
    let puppet = Arc::new(Puppet::default());
    let delivery = Delivery::to(Arc::clone(&puppet))
        .key_rate_limit(RateLimit::per_second(1))
        .concurrency(8)
        .start()
        .unwrap();
    let before = Instant::now();
    for key in ["a", "a", "b"] {
        drop(delivery.enqueue(event().with_key(key)).unwrap());
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(puppet.taken(), 2);
    assert!(delivery.shutdown(s(60)).await.is_complete());
    assert_eq!((puppet.taken(), before.elapsed().as_secs()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_batch_is_flushed() {
    let puppet = Arc::new(Puppet::default());
    let batch = BatchPolicy { max_size: 100, max_age: s(600) };
    let delivery = Delivery::to(Arc::clone(&puppet)).batch(batch).start().unwrap();
    for _ in 0..150 {
        drop(delivery.enqueue(event()).unwrap());
    }
    tokio::time::sleep(s(1)).await;
    assert_eq!(puppet.taken(), 100, "a full batch has left");
    assert!(delivery.shutdown(s(1)).await.is_complete());
    assert_eq!(puppet.taken(), 150);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_could_not_be_delivered_is_reported() {
    let puppet = Arc::new(Puppet::default());
    puppet.hangs.store(true, Ordering::SeqCst);
    let batch = BatchPolicy { max_size: 10, max_age: s(600) };
    let delivery =
        Delivery::to(Arc::clone(&puppet)).batch(batch).timeout(s(3600)).queue(100, 20).start().unwrap();
    let ids: Vec<_> = (0..50)
        .map(|_| {
            let envelope = event();
            let id = envelope.id();
            drop(delivery.enqueue(envelope).unwrap());
            id
        })
        .collect();
    let report = delivery.shutdown(s(5)).await;
    assert_eq!(report.abandoned.iter().map(Envelope::id).collect::<Vec<_>>(), ids, "in the order they came");
    let refused = delivery.enqueue(event()).unwrap_err();
    assert_eq!(refused.refusal().unwrap().by, RefusedBy::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_by_name() {
    let puppet = Arc::new(Puppet::default());
    puppet.hangs.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet)).queue(2, 1).start().unwrap();
    drop(delivery.enqueue(event()).unwrap());
    drop(delivery.enqueue(event()).unwrap());
    let refused = delivery.enqueue(event()).unwrap_err();
    assert_eq!(refused.to_string(), "the queue of puppet (puppet) is full");
    assert_eq!(delivery.queued(), 2);
}

#[tokio::test(start_paused = true)]
async fn in_a_batch_only_what_failed_is_tried_again() {
    /// Fails every second envelope of the first batch.
    #[derive(Default)]
    struct Half(AtomicUsize, Taken);

    #[async_trait]
    impl Adapter for Half {
        fn name(&self) -> &str {
            "half"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            Err(DeliveryError::permanent("batches only"))
        }

        async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
            let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            let deliver = |(number, envelope): (usize, &Envelope)| {
                if first && number % 2 == 1 {
                    return Err(DeliveryError::retry("not this time"));
                }
                *self.1.0.lock().unwrap().entry(envelope.id()).or_default() += 1;
                Ok(Receipt::taken())
            };
            envelopes.iter().enumerate().map(deliver).collect()
        }
    }

    let half = Arc::new(Half::default());
    let batch = BatchPolicy { max_size: 10, max_age: s(1) };
    let delivery =
        Delivery::to(Arc::clone(&half)).retry(RetryPolicy::default()).batch(batch).start().unwrap();
    for _ in 0..10 {
        drop(delivery.enqueue(event()).unwrap());
    }
    assert!(delivery.shutdown(s(60)).await.is_complete());
    let taken = half.1.0.lock().unwrap();
    assert!(taken.len() == 10 && taken.values().all(|times| *times == 1));
}

#[test]
fn every_problem_is_named_at_once_and_nothing_starts() {
    let retry = RetryPolicy { multiplier: 0.0, ..RetryPolicy::default() };
    let breaker = BreakerConfig { failure_threshold: 0, ..BreakerConfig::default() };
    let problems = Delivery::to(Puppet::default())
        .retry(retry)
        .circuit_breaker(breaker)
        .rate_limit(RateLimit::per_second(0))
        .max_in_flight(0)
        .timeout(Duration::ZERO)
        .batch(BatchPolicy { max_size: 0, ..BatchPolicy::default() })
        .queue(0, 0)
        .start()
        .unwrap_err();
    insta::assert_snapshot!(problems, @r"
    registration refused, 7 problems
      INVALID_PARAMETER: batch: max_size is 0: use 1 to 100000
      INVALID_PARAMETER: circuit breaker: failure_threshold is 0: use 1 to 4095
      INVALID_PARAMETER: max_in_flight is 0: use 1 to 1000000
      INVALID_PARAMETER: rate limit: events is 0: use at least 1, or turn the destination off
      INVALID_PARAMETER: retry: multiplier is 0: use a number of at least 1
      INVALID_PARAMETER: the queue takes 0 and works on 0: use at least 1 for each
      INVALID_PARAMETER: timeout is 0ns: use 1 ms to 1 h
    ");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_panics_is_a_fallback_that_failed() {
    let puppet = Arc::new(Puppet::default());
    let delivery =
        Delivery::to(puppet).fallback(Fallback::with(|_, _| panic!("no luck either"))).start().unwrap();
    let tickets: Vec<_> = (0..5).map(|_| delivery.enqueue(Envelope::empty("Bad")).unwrap()).collect();
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap_err().to_string(), "bad");
    }
    assert!(delivery.shutdown(s(1)).await.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_while_it_is_shut_down_is_delivered_or_reported() {
    for _ in 0..100 {
        let puppet = Arc::new(Puppet::default());
        let delivery = Delivery::to(Arc::clone(&puppet)).start().unwrap();
        let queueing: Vec<_> = (0..3)
            .map(|_| {
                let delivery = delivery.clone();
                std::thread::spawn(move || (0..50).filter(|_| delivery.enqueue(event()).is_ok()).count())
            })
            .collect();
        tokio::task::yield_now().await;
        let report = delivery.shutdown(s(5)).await;
        let accepted: usize = queueing.into_iter().map(|thread| thread.join().unwrap()).sum();
        // What came behind the word to stop has been drained when the mailbox was closed.
        assert_eq!(puppet.taken() + report.abandoned.len(), accepted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_time_for_all_its_envelopes() {
    /// Takes a while for each, one after the other.
    struct Slow(Arc<Puppet>);

    #[async_trait]
    impl Adapter for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
            tokio::time::sleep(Duration::from_millis(60)).await;
            self.0.deliver(envelope).await
        }
    }

    let puppet = Arc::new(Puppet::default());
    let slow = Slow(Arc::clone(&puppet));
    let delivery =
        Delivery::to(slow).retry(RetryPolicy::default()).batch(BatchPolicy::default()).start().unwrap();
    for _ in 0..100 {
        drop(delivery.enqueue(event()).unwrap());
    }
    assert!(delivery.shutdown(s(60)).await.is_complete());
    assert_eq!((puppet.taken(), puppet.calls()), (100, 100), "each once");
}

#[tokio::test(start_paused = true)]
async fn two_who_shut_down_get_the_same_report() {
    let puppet = Arc::new(Puppet::default());
    puppet.hangs.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet)).timeout(s(3600)).start().unwrap();
    let ids: Vec<_> = (0..5)
        .map(|_| {
            let envelope = event();
            let id = envelope.id();
            drop(delivery.enqueue(envelope).unwrap());
            id
        })
        .collect();
    let before = Instant::now();
    let (first, second) = tokio::join!(delivery.shutdown(s(60)), delivery.shutdown(s(5)));
    assert_eq!(before.elapsed(), s(5), "the earlier deadline counts");
    let third = delivery.shutdown(s(5)).await;
    for report in [first, second, third] {
        assert_eq!(report.abandoned.iter().map(Envelope::id).collect::<Vec<_>>(), ids);
    }
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_envelopes_are_refused_also_in_front_of_a_batch() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let config = BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() };
    let delivery = Delivery::to(Arc::clone(&puppet))
        .circuit_breaker(config)
        .max_held(15)
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    let deliver = |count: usize| -> Vec<_> {
        let one = || {
            let delivery = delivery.clone();
            tokio::spawn(async move { delivery.deliver(&event()).await })
        };
        (0..count).map(|_| one()).collect()
    };
    // The first ten open it; of the others that are inside by then, what is over the bound is refused.
    let first = deliver(40);
    tokio::time::sleep(s(5)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    assert_eq!(first.iter().filter(|call| !call.is_finished()).count(), 15);
    let more = deliver(20);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(more.iter().all(tokio::task::JoinHandle::is_finished), "refused at once");
    for refused in more {
        assert_eq!(refused.await.unwrap().unwrap_err().refusal().unwrap().by, RefusedBy::CircuitOpen);
    }
    puppet.down.store(false, Ordering::SeqCst);
    let mut delivered = 0;
    for call in first {
        delivered += usize::from(call.await.unwrap().is_ok());
    }
    assert_eq!((delivered, puppet.taken()), (15, 15));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_held_ends_when_the_retries_give_up_and_what_is_queued_stays_held() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy { give_up_after: Some(s(20)), ..RetryPolicy::default() })
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .dead_letters(&letters)
        .start()
        .unwrap();
    let before = Instant::now();
    let error = delivery.deliver(&event()).await.unwrap_err();
    assert_eq!((before.elapsed(), error.refusal().unwrap().by), (s(20), RefusedBy::CircuitOpen));
    assert_eq!(error.history().unwrap().attempts, 1, "it tells of the attempt that opened the breaker");
    let queued = delivery.enqueue(event()).unwrap();
    tokio::time::sleep(s(300)).await;
    assert_eq!((letters.pending(), grave.calls()), (0, 0), "nothing is dead-lettered");
    puppet.down.store(false, Ordering::SeqCst);
    assert!(queued.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_told_to_wait_prolongs_the_wait() {
    struct Busy(Instant, std::sync::Mutex<Vec<u64>>);

    #[async_trait]
    impl Adapter for Busy {
        fn name(&self) -> &str {
            "busy"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            let mut calls = self.1.lock().unwrap();
            calls.push(self.0.elapsed().as_secs());
            match calls.len() {
                1 => Err(DeliveryError::retry("down")),
                2 => Err(DeliveryError::retry_after(s(200), "busy")),
                _ => Ok(Receipt::taken()),
            }
        }
    }

    let busy = Arc::new(Busy(Instant::now(), std::sync::Mutex::default()));
    let delivery = Delivery::to(Arc::clone(&busy))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .start()
        .unwrap();
    delivery.deliver(&event()).await.unwrap();
    assert_eq!(*busy.1.lock().unwrap(), [0, 60, 260]);
}

/// Fails every third call, takes its time, and remembers the order of what it took.
#[derive(Default)]
struct Moody(AtomicUsize, std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>);

#[async_trait]
impl Adapter for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let call = self.0.fetch_add(1, Ordering::SeqCst) as u64;
        tokio::time::sleep(Duration::from_millis(call % 7)).await;
        if call.is_multiple_of(3) {
            return Err(DeliveryError::retry("not now"));
        }
        self.1.lock().unwrap().push(envelope.id());
        Ok(Receipt::taken())
    }

    /// All or nothing.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let call = self.0.fetch_add(1, Ordering::SeqCst) as u64;
        tokio::time::sleep(Duration::from_millis(call % 7)).await;
        if call.is_multiple_of(3) {
            return envelopes.iter().map(|_| Err(DeliveryError::retry("not now"))).collect();
        }
        self.1.lock().unwrap().extend(envelopes.iter().map(Envelope::id));
        envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
    }
}

fn fixed_delays() -> RetryPolicy {
    RetryPolicy { jitter: dispatch_core::policy::Jitter::None, ..RetryPolicy::default() }.without_budget()
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_arrives_in_order_also_when_attempts_fail() {
    for batch in [None, Some(BatchPolicy { max_size: 4, max_age: s(1) })] {
        let moody = Arc::new(Moody::default());
        let mut delivery = Delivery::to(Arc::clone(&moody)).retry(fixed_delays());
        if let Some(batch) = batch {
            delivery = delivery.batch(batch);
        }
        let delivery = delivery.start().unwrap();
        let mut ids = Vec::new();
        for number in 0..30u64 {
            let envelope = event();
            ids.push(envelope.id());
            drop(delivery.enqueue(envelope).unwrap());
            tokio::time::sleep(Duration::from_millis(number * 37 % 400)).await;
        }
        assert!(delivery.shutdown(s(600)).await.is_complete());
        assert_eq!(*moody.1.lock().unwrap(), ids, "with batch {batch:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_envelopes_arrives_in_order_through_batches_and_waits_for_nobody() {
    let moody = Arc::new(Moody::default());
    let delivery = Delivery::to(Arc::clone(&moody))
        .retry(fixed_delays())
        .batch(BatchPolicy { max_size: 4, max_age: s(5) })
        .start()
        .unwrap();
    let envelopes: Vec<_> = (0..10).map(|_| event()).collect();
    assert!(delivery.deliver_batch(&envelopes).await.iter().all(Result::is_ok));
    assert_eq!(*moody.1.lock().unwrap(), envelopes.iter().map(Envelope::id).collect::<Vec<_>>());
    let before = Instant::now();
    assert!(delivery.deliver_batch(&envelopes[..1]).await.iter().all(Result::is_ok));
    assert!(before.elapsed() < s(1), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_concurrency_gets_it() {
    for batch in [None, Some(BatchPolicy { max_size: 5, max_age: s(1) })] {
        let puppet = Arc::new(Puppet::default());
        puppet.hangs.store(true, Ordering::SeqCst);
        let mut delivery = Delivery::to(Arc::clone(&puppet)).timeout(s(3600)).concurrency(20);
        if let Some(batch) = batch {
            delivery = delivery.batch(batch);
        }
        let delivery = delivery.start().unwrap();
        for _ in 0..40 {
            drop(delivery.enqueue(event()).unwrap());
        }
        tokio::time::sleep(s(10)).await;
        // A batch delivers its envelopes one after the other here.
        assert_eq!(puppet.calls(), if batch.is_some() { 4 } else { 20 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_covers_what_was_queued_before_and_no_more() {
    let puppet = Arc::new(Puppet::default());
    let batch = BatchPolicy { max_size: 10, max_age: s(600) };
    let delivery = Delivery::to(Arc::clone(&puppet)).batch(batch).start().unwrap();
    for _ in 0..25 {
        drop(delivery.enqueue(event()).unwrap());
    }
    tokio::time::timeout(s(1), delivery.flush()).await.expect("it hurries");
    assert_eq!(puppet.taken(), 25);
    drop(delivery.enqueue(event()).unwrap());
    tokio::time::sleep(s(1)).await;
    assert_eq!(puppet.taken(), 25, "what comes later waits for others again");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_held_in_order_if_there_are_as_many_retries_as_open_the_breaker() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default().with_max_retries(5))
        .circuit_breaker(BreakerConfig::default())
        .dead_letters(&letters)
        .start()
        .unwrap();
    puppet.down.store(true, Ordering::SeqCst);
    for _ in 0..600 {
        drop(delivery.enqueue(event()).unwrap());
        tokio::time::sleep(s(1)).await;
    }
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.shutdown(s(120)).await.is_complete());
    assert_eq!((puppet.taken(), grave.calls(), letters.pending()), (600, 0, 0));
}
