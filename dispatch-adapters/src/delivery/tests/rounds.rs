//! What a queue makes of a batch: rounds, their time and their size.

use std::collections::VecDeque;

use dispatch_core::policy::Jitter;
use futures_util::FutureExt;

use super::*;

/// What observers were told, in its order.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<DeliveryEvent>>);

impl DeliveryObserver for Told {
    fn on_event(&self, _: &DeliveryLabels, event: &DeliveryEvent) {
        self.0.lock().unwrap().push(*event);
    }
}

impl Told {
    fn pick<T>(&self, pick: impl Fn(&DeliveryEvent) -> Option<T>) -> Vec<T> {
        self.0.lock().unwrap().iter().filter_map(pick).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_latency_of_a_batch_is_without_the_wait_for_its_rate() {
    let (puppet, told) = (Arc::new(Puppet { fail_first: 3, ..Puppet::default() }), Arc::new(Told::default()));
    let delivery = Delivery::to(puppet)
        .retry(RetryPolicy::default())
        .rate_limit(RateLimit::per_second(1))
        .batch(BatchPolicy { max_size: 3, max_age: s(10) })
        .observe(Arc::clone(&told) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    for _ in 0..3 {
        drop(delivery.enqueue(event()).unwrap());
    }
    let before = Instant::now();
    assert!(delivery.shutdown(s(60)).await.is_complete());
    assert!(before.elapsed() >= s(5), "the first attempt waits for two turns, the second one for three");
    let latencies = told.pick(|event| match event {
        DeliveryEvent::Attempted { latency, .. } => Some(*latency),
        _ => None,
    });
    assert_eq!(latencies, [Duration::ZERO; 2], "the destination answers at once");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_whose_window_ends_while_a_batch_waits_for_its_rate_lets_it_pass() {
    let (puppet, told) = (Arc::new(Puppet { fail_first: 1, ..Puppet::default() }), Arc::new(Told::default()));
    let delivery = Delivery::to(puppet)
        .circuit_breaker(BreakerConfig {
            failure_threshold: 1,
            recovery_timeout: s(1),
            ..BreakerConfig::default()
        })
        .rate_limit(RateLimit { per: s(5), ..RateLimit::per_second(1) })
        .batch(BatchPolicy { max_size: 1, max_age: s(10) })
        .observe(Arc::clone(&told) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    assert!(delivery.deliver_batch(&[event()]).await[0].is_err());
    assert!(delivery.deliver_batch(&[event()]).await[0].is_ok());
    assert!(told.pick(|event| matches!(event, DeliveryEvent::Held { .. }).then_some(())).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_was_given_up_hurries_nobody() {
    let (puppet, told) = (Arc::new(Puppet::default()), Arc::new(Told::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .retry(RetryPolicy::default())
        .batch(BatchPolicy { max_size: 10, max_age: s(600) })
        .concurrency(100)
        .observe(Arc::clone(&told) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    drop(delivery.enqueue(event()).unwrap());
    assert!(tokio::time::timeout(s(1), delivery.flush()).await.is_err(), "it is held");
    for _ in 0..10 {
        drop(delivery.enqueue(event()).unwrap());
        tokio::time::sleep(s(1)).await;
    }
    puppet.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(s(120)).await;
    assert_eq!(puppet.taken(), 11);
    let sizes = told.pick(|event| match event {
        DeliveryEvent::Batched { size } => Some(*size),
        _ => None,
    });
    assert!(sizes.iter().all(|size| [1, 10].contains(size)) && sizes.contains(&10), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn callers_and_the_queue_make_batches_of_their_own_also_side_by_side() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy { give_up_after: Some(s(20)), ..RetryPolicy::default() })
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .concurrency(100)
        .start()
        .unwrap();
    let before = Instant::now();
    let queued = delivery.enqueue(event()).unwrap();
    let error = delivery.deliver(&event()).await.unwrap_err();
    assert!((s(20)..s(23)).contains(&before.elapsed()), "{:?}", before.elapsed());
    assert_eq!(error.refusal().unwrap().by, RefusedBy::CircuitOpen);
    tokio::time::sleep(s(3600)).await;
    puppet.down.store(false, Ordering::SeqCst);
    assert!(queued.await.is_ok(), "what is queued stays held");
}

/// Takes half a second for a call, and remembers of how many envelopes each was.
#[derive(Default)]
struct Slow(std::sync::Mutex<Vec<usize>>);

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError::permanent("only in batches"))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.0.lock().unwrap().push(envelopes.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = |envelope: &Envelope| match envelope.message_type_str() {
            "Fails" => Err(DeliveryError::retry("no")),
            _ => Ok(Receipt::taken()),
        };
        envelopes.iter().map(answer).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_that_has_no_place_yet_fills_up_until_it_has() {
    for in_a_hurry in [false, true] {
        let slow = Arc::new(Slow::default());
        let delivery = Delivery::to(Arc::clone(&slow))
            .batch(BatchPolicy { max_size: 100, max_age: Duration::from_millis(100) })
            .concurrency(4)
            .start()
            .unwrap();
        let flushing = in_a_hurry.then(|| {
            let delivery = delivery.clone();
            tokio::spawn(async move {
                loop {
                    delivery.flush().await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        });
        let mut slowest = Duration::ZERO;
        let mut tickets = VecDeque::new();
        for _ in 0..1000 {
            tickets.push_back((Instant::now(), delivery.enqueue(event()).unwrap()));
            tokio::time::sleep(Duration::from_millis(20)).await;
            while let Some((since, ticket)) = tickets.front_mut()
                && let Some(outcome) = ticket.now_or_never()
            {
                outcome.unwrap();
                slowest = slowest.max(since.elapsed());
                tickets.pop_front();
            }
        }
        if let Some(flushing) = flushing {
            flushing.abort();
        }
        let sizes = slow.0.lock().unwrap().clone();
        assert!(sizes.len() > 30 && sizes.iter().skip(1).all(|size| (20..=30).contains(size)), "{sizes:?}");
        assert!(slowest <= Duration::from_millis(1_200), "{slowest:?} with {sizes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_that_waits_to_be_tried_again_keeps_no_place_of_the_others() {
    let slow = Arc::new(Slow::default());
    let delivery = Delivery::to(Arc::clone(&slow))
        .retry(RetryPolicy::default().with_base(s(30)).with_jitter(Jitter::None))
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .concurrency(20)
        .start()
        .unwrap();
    for _ in 0..10 {
        drop(delivery.enqueue(Envelope::empty("Fails")).unwrap());
    }
    tokio::time::sleep(s(1)).await;
    let before = Instant::now();
    let tickets: Vec<_> = (0..20).map(|_| delivery.enqueue(event()).unwrap()).collect();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!(before.elapsed().as_millis(), 500, "two rounds, beside each other");
}
