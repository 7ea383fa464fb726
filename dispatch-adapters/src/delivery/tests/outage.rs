//! What an outage costs that is queued: no attempt for as long as probes are free, and all of them are remembered.

use super::*;

/// Half a day without the destination costs nothing, and then it is back.
async fn outlast(delivery: &Delivery, puppet: &Puppet, grave: &Puppet, count: usize) {
    puppet.down.store(true, Ordering::SeqCst);
    let tickets: Vec<_> = (0..count).map(|_| delivery.enqueue(event()).unwrap()).collect();
    tokio::time::sleep(s(11 * 3600)).await;
    assert!(puppet.calls() > 600, "it was probed all the time: {}", puppet.calls());
    assert_eq!(grave.calls(), 0, "nothing is dead-lettered");
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.shutdown(s(3600)).await.is_complete());
    for ticket in tickets {
        assert!(ticket.await.is_ok());
    }
    assert_eq!(puppet.taken(), count);
}

#[tokio::test(start_paused = true)]
async fn batches_side_by_side_do_not_give_up_what_is_queued() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy { give_up_after: Some(s(20)), ..RetryPolicy::default() })
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .concurrency(200)
        .dead_letters(&letters)
        .start()
        .unwrap();
    outlast(&delivery, &puppet, &grave, 555).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_has_no_room_for_pays_for_no_probe() {
    for (max_held, batch) in [(10, None), (0, None), (10, Some(4)), (0, Some(4))] {
        let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
        let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
        let mut delivery = Delivery::to(Arc::clone(&puppet))
            .retry(RetryPolicy::default())
            .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
            .max_held(max_held)
            .concurrency(50)
            .dead_letters(&letters);
        if let Some(max_size) = batch {
            delivery = delivery.batch(BatchPolicy { max_size, max_age: s(1) });
        }
        outlast(&delivery.start().unwrap(), &puppet, &grave, 100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_has_no_room_for_pays_when_the_outage_has_lasted_too_long() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(0)
        .hold_for(s(630))
        .dead_letters(&letters)
        .start()
        .unwrap();
    let before = Instant::now();
    let error = delivery.enqueue(event()).unwrap().await.unwrap_err();
    assert!((s(630)..s(900)).contains(&before.elapsed()), "{:?}", before.elapsed());
    // The first one and ten windows for free, and four attempts.
    assert_eq!(error.history().map(|history| history.attempts), Some(15));
    assert!(letters.close(s(1)).await.is_complete() && grave.taken() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_tells_of_all_turns_also_if_the_last_one_was_no_refusal() {
    /// Is down for a while, and then does not want it.
    #[derive(Default)]
    struct Fickle(AtomicUsize);

    #[async_trait]
    impl Adapter for Fickle {
        fn name(&self) -> &str {
            "fickle"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err(DeliveryError::retry("down")),
                1 => Err(DeliveryError::retry("still down")),
                _ => Err(DeliveryError::permanent("not valid")),
            }
        }
    }

    /// Keeps the first dead letter.
    #[derive(Default)]
    struct Grave(std::sync::OnceLock<Arc<DeadLetter>>);

    #[async_trait]
    impl Adapter for Grave {
        fn name(&self) -> &str {
            "grave"
        }

        async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
            self.0.set(DeadLetter::from_envelope(envelope).unwrap()).unwrap();
            Ok(Receipt::taken())
        }
    }

    for (retry, batch) in [(true, false), (false, false), (true, true), (false, true)] {
        let grave = Arc::new(Grave::default());
        let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
        let mut delivery = Delivery::to(Fickle::default())
            .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
            .max_held(0)
            .hold_for(s(600))
            .dead_letters(&letters);
        if retry {
            delivery = delivery.retry(RetryPolicy::default());
        }
        if batch {
            delivery = delivery.batch(BatchPolicy { max_size: 1, max_age: s(1) });
        }
        let delivery = delivery.start().unwrap();
        let error = delivery.enqueue(event()).unwrap().await.unwrap_err();
        assert!(letters.close(s(1)).await.is_complete());
        let history = grave.0.get().unwrap().history.clone();
        if retry {
            assert_eq!((history.attempts, history.first_error.as_str()), (3, "down"), "in batches: {batch}");
            assert_eq!(error.history(), Some(&history));
            assert!(history.first_failed_at < history.last_failed_at);
        } else {
            // Nothing is tried again that has failed.
            assert_eq!((history.attempts, history.first_error.as_str()), (1, "down"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_waits_for_room_keeps_back_no_retry_of_its_round() {
    /// Refuses what is called `Gone`, and fails the others once.
    #[derive(Default)]
    struct Half(AtomicUsize);

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
            let telemetry = crate::policy::Telemetry::new(DeliveryLabels::new("half", "half"));
            let answer = |envelope: &Envelope| match envelope.message_type_str() {
                "Gone" => Err(telemetry.refuse(RefusedBy::Stopped, None)),
                _ if first => Err(DeliveryError::retry("not this time")),
                _ => Ok(Receipt::taken()),
            };
            envelopes.iter().map(answer).collect()
        }
    }

    let grave = Arc::new(Puppet::default());
    grave.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::with_options([Arc::clone(&grave)], RetryPolicy::forever(), 1).unwrap();
    let delivery = Delivery::to(Half::default())
        .retry(RetryPolicy::default())
        .batch(BatchPolicy { max_size: 3, max_age: s(1) })
        .dead_letters(&letters)
        .start()
        .unwrap();
    let gone = ["Gone", "Gone"].map(|name| delivery.enqueue(Envelope::empty(name)).unwrap());
    let good = delivery.enqueue(event()).unwrap();
    assert!(tokio::time::timeout(s(60), good).await.expect("it is tried again").is_ok());
    assert_eq!(letters.pending(), 1, "the other one waits for room");
    drop(gone);
}
