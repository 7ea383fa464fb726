//! An outage of ten minutes, with a queue that keeps its order.

use super::*;

/// What became of ten envelopes: how many were delivered, and the attempts of each that was dead-lettered.
async fn ten_minutes_of_outage(retry: RetryPolicy) -> (usize, Vec<u32>) {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Grave::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(retry)
        .circuit_breaker(BreakerConfig::default())
        .dead_letters(&letters)
        .seed(7)
        .start()
        .unwrap();
    for _ in 0..10 {
        drop(delivery.enqueue(event()).unwrap());
    }
    tokio::time::sleep(s(600)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.shutdown(s(120)).await.is_complete());
    assert!(letters.close(s(60)).await.is_complete());
    let attempts = grave.0.lock().unwrap().clone();
    (puppet.taken(), attempts)
}

/// Remembers how often what it gets was tried.
#[derive(Default)]
struct Grave(std::sync::Mutex<Vec<u32>>);

#[async_trait]
impl Adapter for Grave {
    fn name(&self) -> &str {
        "grave"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let letter = DeadLetter::from_envelope(envelope).unwrap();
        self.0.lock().unwrap().push(letter.history.attempts);
        Ok(Receipt::taken())
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_defaults_the_first_envelope_is_lost_to_it_and_all_others_are_held() {
    let (delivered, dead) = ten_minutes_of_outage(RetryPolicy::default()).await;
    assert_eq!((delivered, dead), (9, vec![4]));
}

#[tokio::test(start_paused = true)]
async fn the_failure_that_opens_the_breaker_may_be_the_last_attempt() {
    let (delivered, dead) = ten_minutes_of_outage(RetryPolicy::default().with_max_retries(4)).await;
    assert_eq!((delivered, dead), (9, vec![5]));
}

#[tokio::test(start_paused = true)]
async fn with_an_attempt_left_when_the_breaker_opens_nothing_is_lost_to_it() {
    let (delivered, dead) = ten_minutes_of_outage(RetryPolicy::default().with_max_retries(5)).await;
    assert_eq!((delivered, dead), (10, vec![]));
}

#[tokio::test(start_paused = true)]
async fn room_for_others_beside_it_does_not_save_one_that_is_alone() {
    for batch in [None, Some(BatchPolicy { max_size: 10, max_age: s(1) })] {
        let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Grave::default()));
        puppet.down.store(true, Ordering::SeqCst);
        let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
        let mut delivery = Delivery::to(Arc::clone(&puppet))
            .retry(RetryPolicy::default())
            .circuit_breaker(BreakerConfig::default())
            .concurrency(16)
            .dead_letters(&letters);
        if let Some(policy) = batch {
            delivery = delivery.batch(policy);
        }
        let delivery = delivery.start().unwrap();
        assert!(delivery.enqueue(event()).unwrap().await.is_err());
        assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Closed);
        assert!(letters.close(s(60)).await.is_complete());
        assert_eq!(*grave.0.lock().unwrap(), [4]);
    }
}
