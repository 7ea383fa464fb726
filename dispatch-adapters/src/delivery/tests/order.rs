//! The order of what is queued, and of lists.

use super::*;

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

#[tokio::test(start_paused = true)]
async fn what_is_queued_arrives_in_order_also_when_attempts_fail() {
    for batch in [None, Some(BatchPolicy { max_size: 4, max_age: s(1) })] {
        let moody = Arc::new(Moody::default());
        let mut delivery = Delivery::to(Arc::clone(&moody)).retry(RetryPolicy::default());
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
        .retry(RetryPolicy::default())
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
async fn a_queue_that_is_spread_over_batches_by_its_rate_keeps_its_order() {
    let moody = Arc::new(Moody::default());
    let delivery = Delivery::to(Arc::clone(&moody))
        .retry(RetryPolicy::default().with_base(s(4)))
        .rate_limit(RateLimit::per_second(2))
        .batch(BatchPolicy { max_size: 50, max_age: s(1) })
        .start()
        .unwrap();
    let envelopes: Vec<_> = (0..50).map(|_| event()).collect();
    for envelope in &envelopes {
        drop(delivery.enqueue(envelope.clone()).unwrap());
    }
    assert!(delivery.shutdown(s(600)).await.is_complete());
    assert_eq!(*moody.1.lock().unwrap(), envelopes.iter().map(Envelope::id).collect::<Vec<_>>());
}

/// Takes everything and remembers the order.
#[derive(Default)]
struct Calm(std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>);

#[async_trait]
impl Adapter for Calm {
    fn name(&self) -> &str {
        "calm"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.0.lock().unwrap().push(envelope.id());
        Ok(Receipt::taken())
    }
}

fn ids(envelopes: &[Envelope]) -> Vec<dispatch_core::uuid::Uuid> {
    envelopes.iter().map(Envelope::id).collect()
}

#[tokio::test(start_paused = true)]
async fn large_rounds_and_lists_keep_their_order_and_wait_for_nobody() {
    for max_size in [100, 200, 1000] {
        let calm = Arc::new(Calm::default());
        let batch = BatchPolicy { max_size, max_age: s(600) };
        let delivery = Delivery::to(Arc::clone(&calm)).batch(batch).start().unwrap();
        let before = Instant::now();
        let list: Vec<_> = (0..450).map(|_| event()).collect();
        assert!(delivery.deliver_batch(&list).await.iter().all(Result::is_ok));
        let queued: Vec<_> = (0..450).map(|_| event()).collect();
        for envelope in &queued {
            drop(delivery.enqueue(envelope.clone()).unwrap());
        }
        delivery.flush().await;
        assert!(before.elapsed() < s(1), "{:?}", before.elapsed());
        assert_eq!(*calm.0.lock().unwrap(), [ids(&list), ids(&queued)].concat(), "in batches of {max_size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_for_each_key_changes_no_order() {
    let calm = Arc::new(Calm::default());
    let delivery = Delivery::to(Arc::clone(&calm))
        .key_rate_limit(RateLimit::per_second(1))
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    let envelopes: Vec<_> = ["a", "a", "b", "a", "b"].iter().map(|key| event().with_key(*key)).collect();
    for envelope in &envelopes {
        drop(delivery.enqueue(envelope.clone()).unwrap());
    }
    assert!(delivery.shutdown(s(60)).await.is_complete());
    assert_eq!(*calm.0.lock().unwrap(), ids(&envelopes));
}

#[tokio::test(start_paused = true)]
async fn a_round_does_not_wait_for_a_rate_beyond_the_age_of_its_batch() {
    let calm = Arc::new(Calm::default());
    let delivery = Delivery::to(Arc::clone(&calm))
        .key_rate_limit(RateLimit { per: s(60), ..RateLimit::per_second(1) })
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    for key in ["a", "b", "a"] {
        drop(delivery.enqueue(event().with_key(key)).unwrap());
    }
    tokio::time::sleep(s(3)).await;
    assert_eq!(calm.0.lock().unwrap().len(), 2, "the third has to wait for a minute, and they do not");
    assert!(delivery.shutdown(s(90)).await.is_complete());
}
