//! Batches: their size, their failures and their retries.

use super::*;

#[tokio::test(start_paused = true)]
async fn in_a_batch_only_what_failed_is_tried_again() {
    /// Fails every second envelope of the first batch.
    #[derive(Default)]
    struct Half(AtomicUsize, Taken, std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>);

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
                self.2.lock().unwrap().push(envelope.id());
                Ok(Receipt::taken())
            };
            envelopes.iter().enumerate().map(deliver).collect()
        }
    }

    let half = Arc::new(Half::default());
    let batch = BatchPolicy { max_size: 10, max_age: s(1) };
    let delivery =
        Delivery::to(Arc::clone(&half)).retry(RetryPolicy::default()).batch(batch).start().unwrap();
    let envelopes: Vec<_> = (0..10).map(|_| event()).collect();
    for envelope in &envelopes {
        drop(delivery.enqueue(envelope.clone()).unwrap());
    }
    assert!(delivery.shutdown(s(60)).await.is_complete());
    let every_second = |from| envelopes.iter().skip(from).step_by(2).map(Envelope::id);
    assert_eq!(
        *half.2.lock().unwrap(),
        every_second(0).chain(every_second(1)).collect::<Vec<_>>(),
        "in its order"
    );
    let taken = half.1.0.lock().unwrap();
    assert!(taken.len() == 10 && taken.values().all(|times| *times == 1));
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
async fn what_of_a_batch_is_tried_again_waits_for_nobody_else() {
    let puppet = Arc::new(Puppet { fail_first: 3, ..Puppet::default() });
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .batch(BatchPolicy { max_size: 3, max_age: s(600) })
        .start()
        .unwrap();
    let envelopes: Vec<_> = (0..3).map(|_| event()).collect();
    let before = Instant::now();
    assert!(delivery.deliver_batch(&envelopes).await.iter().all(Result::is_ok));
    assert!(before.elapsed() <= s(1), "{:?}", before.elapsed());
    let puppet = Arc::new(Puppet { fail_first: 2, ..Puppet::default() });
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .batch(BatchPolicy { max_size: 3, max_age: s(600) })
        .start()
        .unwrap();
    let tickets = [delivery.enqueue(event()).unwrap(), delivery.enqueue(event()).unwrap()];
    let before = Instant::now();
    delivery.flush().await;
    assert!(before.elapsed() <= s(1), "{:?}", before.elapsed());
    for ticket in tickets {
        assert!(ticket.await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_envelope_that_fails_again_and_again_keeps_back_no_batch_of_other_callers() {
    let delivery = Delivery::to(Picky)
        .retry(RetryPolicy::default().with_base(s(100)).with_cap(s(100)))
        .batch(BatchPolicy { max_size: 2, max_age: s(1) })
        .start()
        .unwrap();
    let (other, poison) = (delivery.clone(), Envelope::empty("Poison"));
    let poison = tokio::spawn(async move { other.deliver(&poison).await });
    tokio::time::sleep(s(2)).await;
    let before = Instant::now();
    assert!(delivery.deliver(&event()).await.is_ok());
    assert_eq!(before.elapsed(), s(1), "it waits for company, and not for the poison");
    let error = poison.await.unwrap().unwrap_err();
    assert_eq!(error.history().map(|history| history.attempts), Some(4));
    assert!(error.history().is_some_and(|history| history.first_failed_at < history.last_failed_at));
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_keeps_to_the_rate() {
    let puppet = Arc::new(Puppet { fail_first: 5, ..Puppet::default() });
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default().with_base(Duration::from_millis(1)))
        .rate_limit(RateLimit::per_second(1).with_burst(5))
        .batch(BatchPolicy { max_size: 5, max_age: s(1) })
        .start()
        .unwrap();
    let envelopes: Vec<_> = (0..5).map(|_| event()).collect();
    let before = Instant::now();
    assert!(delivery.deliver_batch(&envelopes).await.iter().all(Result::is_ok));
    assert_eq!(before.elapsed().as_secs(), 5, "five at once, and then one a second");
}

#[tokio::test(start_paused = true)]
async fn a_list_does_not_wait_for_what_others_try_again() {
    let puppet = Arc::new(Puppet { fail_first: 1, ..Puppet::default() });
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default().with_base(s(20)))
        .batch(BatchPolicy { max_size: 1, max_age: s(1) })
        .start()
        .unwrap();
    let (other, envelope) = (delivery.clone(), event());
    let slow = tokio::spawn(async move { other.deliver(&envelope).await });
    tokio::time::sleep(s(1)).await;
    let before = Instant::now();
    assert!(delivery.deliver_batch(&[event()]).await.iter().all(Result::is_ok));
    assert!(before.elapsed() < s(1) && !slow.is_finished());
    assert!(slow.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn with_concurrency_one_that_fails_again_and_again_keeps_back_no_other_batch() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default().with_base(s(30)))
        .batch(BatchPolicy { max_size: 2, max_age: s(1) })
        .concurrency(2)
        .start()
        .unwrap();
    let poison = delivery.enqueue(event()).unwrap();
    tokio::time::sleep(s(2)).await;
    puppet.down.store(false, Ordering::SeqCst);
    let before = Instant::now();
    assert!(delivery.enqueue(event()).unwrap().await.is_ok());
    assert!(before.elapsed() <= s(1), "{:?}", before.elapsed());
    assert!(poison.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_something_asks_for_time_gets_the_longest() {
    struct Busy(AtomicUsize);

    #[async_trait]
    impl Adapter for Busy {
        fn name(&self) -> &str {
            "busy"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err(DeliveryError::retry("down")),
                1 => Err(DeliveryError::retry_after(s(200), "busy")),
                _ => Ok(Receipt::taken()),
            }
        }
    }

    let delivery = Delivery::to(Busy(AtomicUsize::default()))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .batch(BatchPolicy { max_size: 2, max_age: s(1) })
        .start()
        .unwrap();
    let before = Instant::now();
    assert!(delivery.deliver_batch(&[event(), event()]).await.iter().all(Result::is_ok));
    assert!((s(200)..s(202)).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_panics_is_a_failure_and_the_next_one_is_sent() {
    let puppet = Arc::new(Puppet::default());
    let telemetry = crate::policy::Telemetry::new(DeliveryLabels::new("puppet", "puppet"));
    let batch = BatchPolicy { max_size: 1, max_age: s(1) };
    let batched = crate::Batched::start(batch, Arc::clone(&puppet), telemetry).unwrap();
    let error = batched.deliver(&Envelope::empty("Panics")).await.unwrap_err();
    assert_eq!(error.message(), "the adapter panicked");
    assert!(batched.deliver(&event()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_its_turn_beside_a_queue_that_is_never_empty() {
    /// Takes a tenth of a second for each batch.
    struct Slow;

    #[async_trait]
    impl Adapter for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            Ok(Receipt::taken())
        }

        async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
            tokio::time::sleep(Duration::from_millis(100)).await;
            envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
        }
    }

    let batch = BatchPolicy { max_size: 10, max_age: s(1) };
    let delivery = Delivery::to(Slow).batch(batch).start().unwrap();
    let tickets: Vec<_> = (0..10_000).map(|_| delivery.enqueue(event()).unwrap()).collect();
    let before = Instant::now();
    assert!(delivery.deliver(&event()).await.is_ok());
    assert!(before.elapsed() < s(2), "{:?}", before.elapsed());
    assert!(delivery.queued() > 5_000);
    drop(tickets);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_nobody_takes_keeps_back_no_answer_of_the_others() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    grave.down.store(true, Ordering::SeqCst);
    let letters = DeadLetters::with_options([Arc::clone(&grave)], RetryPolicy::forever(), 1).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .dead_letters(&letters)
        .start()
        .unwrap();
    let bad = [
        delivery.enqueue(Envelope::empty("Bad")).unwrap(),
        delivery.enqueue(Envelope::empty("Bad")).unwrap(),
    ];
    let good: Vec<_> = (0..8).map(|_| delivery.enqueue(event()).unwrap()).collect();
    for ticket in good {
        assert!(tokio::time::timeout(s(2), ticket).await.expect("it is known").is_ok());
    }
    let report = delivery.shutdown(s(5)).await;
    assert_eq!(report.abandoned.len(), 1, "the letter for which there is no room");
    drop(bad);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_answers_nothing_to_a_batch_has_failed() {
    struct Mute;

    #[async_trait]
    impl Adapter for Mute {
        fn name(&self) -> &str {
            "mute"
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            Ok(Receipt::taken())
        }

        async fn deliver_batch(&self, _: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
            Vec::new()
        }
    }

    let delivery = Delivery::to(Mute)
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .batch(BatchPolicy { max_size: 2, max_age: s(1) })
        .start()
        .unwrap();
    let results = delivery.deliver_batch(&[event(), event()]).await;
    let text = "adapter 'mute' answered 0 results for 2 envelopes: it must answer one for each";
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().message() == text));
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
}
