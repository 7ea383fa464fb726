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

mod batches;
mod bounds;
mod defaults;
mod fallback;
mod gate;
mod health;
mod holding;
mod order;
mod outage;
mod rounds;
mod time;

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
    order: std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>,
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
        self.order.lock().unwrap().push(envelope.id());
        Ok(Receipt::taken())
    }
}

/// Never takes what is called `Poison`.
struct Picky;

#[async_trait]
impl Adapter for Picky {
    fn name(&self) -> &str {
        "picky"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        match envelope.message_type_str() {
            "Poison" => Err(DeliveryError::retry("not this one")),
            _ => Ok(Receipt::taken()),
        }
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
    assert!(letters.close(s(1)).await.is_complete());
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
    assert!(letters.close(s(1)).await.is_complete());
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
    assert!(letters.close(s(60)).await.is_complete());
    assert_eq!(puppet.taken(), 1);
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
    assert_eq!(refused.to_string(), "the queue of puppet (puppet) is full, or was waited in for too long");
    assert_eq!(delivery.queued(), 2);
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
      INVALID_PARAMETER: rate limit: events is 0: use at least 1, or turn off what it limits
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
