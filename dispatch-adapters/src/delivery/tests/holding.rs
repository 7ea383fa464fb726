//! What is held, for how long, and what ends it.

use super::*;

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
    assert_eq!(puppet.calls() - calls, 600, "no call has failed since it is back");
    assert!(counts.of("Held") > 0);
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
    let mut ids = Vec::new();
    for _ in 0..600 {
        let envelope = event();
        ids.push(envelope.id());
        drop(delivery.enqueue(envelope).unwrap());
        tokio::time::sleep(s(1)).await;
    }
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.shutdown(s(120)).await.is_complete());
    assert_eq!((puppet.taken(), grave.calls(), letters.pending()), (600, 0, 0));
    assert_eq!(*puppet.order.lock().unwrap(), ids);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_hundreds_of_windows_costs_what_is_held_no_attempt() {
    for batch in [None, Some(BatchPolicy { max_size: 4, max_age: s(1) })] {
        let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
        let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
        let mut delivery = Delivery::to(Arc::clone(&puppet))
            .retry(RetryPolicy::default())
            .circuit_breaker(BreakerConfig {
                failure_threshold: 1,
                recovery_timeout: s(1),
                ..BreakerConfig::default()
            })
            .dead_letters(&letters);
        if let Some(batch) = batch {
            delivery = delivery.batch(batch);
        }
        let delivery = delivery.start().unwrap();
        puppet.down.store(true, Ordering::SeqCst);
        let tickets: Vec<_> = (0..20).map(|_| delivery.enqueue(event()).unwrap()).collect();
        tokio::time::sleep(s(3600)).await;
        assert!(puppet.calls() > 600, "it was probed all the time: {}", puppet.calls());
        puppet.down.store(false, Ordering::SeqCst);
        assert!(delivery.shutdown(s(120)).await.is_complete());
        for ticket in tickets {
            assert!(ticket.await.is_ok());
        }
        assert_eq!((puppet.taken(), grave.calls(), letters.pending()), (20, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_as_a_probe_for_too_long_pays_with_its_attempts() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .hold_for(s(600))
        .start()
        .unwrap();
    let before = Instant::now();
    let error = delivery.enqueue(event()).unwrap().await.unwrap_err();
    assert_eq!(error.history().map(|history| history.attempts), Some(4));
    assert!((s(600)..s(2500)).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn retries_give_up_in_time_also_while_their_budget_is_empty() {
    use dispatch_core::policy::BudgetConfig;
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let budget = BudgetConfig { ratio: 0.0, min_per_second: 1, burst: 1 };
    let policy = RetryPolicy { give_up_after: Some(s(5)), budget: Some(budget), ..RetryPolicy::default() };
    let delivery = Delivery::to(Arc::clone(&puppet)).retry(policy).concurrency(100).start().unwrap();
    let before = Instant::now();
    let tickets: Vec<_> = (0..100).map(|_| delivery.enqueue(event()).unwrap()).collect();
    for ticket in tickets {
        assert!(ticket.await.unwrap_err().history().is_some());
    }
    assert!(before.elapsed() <= s(5), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_holds_for_a_destination_that_was_shut_down_is_dead_lettered() {
    let grave = Arc::new(Puppet::default());
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let inner = Delivery::to(Arc::new(Puppet::default())).start().unwrap();
    assert!(inner.shutdown(s(1)).await.is_complete());
    let outer = Delivery::to(inner).dead_letters(&letters).start().unwrap();
    assert!(outer.deliver(&event()).await.unwrap_err().refusal().is_some(), "a caller has its envelope");
    assert!(outer.enqueue(event()).unwrap().await.is_err());
    assert!(outer.shutdown(s(1)).await.is_complete() && letters.close(s(1)).await.is_complete());
    assert_eq!(grave.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_that_fails_by_itself_does_not_block_a_queue_for_ever() {
    for (max_held, batch) in [(1000, None), (0, None), (1000, Some(1)), (5, Some(10))] {
        let grave = Arc::new(Puppet::default());
        let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
        let mut delivery = Delivery::to(Picky)
            .retry(RetryPolicy { give_up_after: Some(s(600)), ..RetryPolicy::default() })
            .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
            .max_held(max_held)
            .hold_for(s(3600))
            .dead_letters(&letters);
        if let Some(max_size) = batch {
            delivery = delivery.batch(BatchPolicy { max_size, max_age: s(1) });
        }
        let delivery = delivery.start().unwrap();
        let poison = delivery.enqueue(Envelope::empty("Poison")).unwrap();
        let behind = delivery.enqueue(event()).unwrap();
        let before = Instant::now();
        assert!(poison.await.is_err() && behind.await.is_ok());
        assert!(before.elapsed() < s(5 * 3600), "{:?} with {max_held} and {batch:?}", before.elapsed());
        assert!(letters.close(s(1)).await.is_complete() && grave.taken() == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_holds_for_long_has_not_used_up_its_time() {
    for (batch, concurrency) in [(false, 1), (true, 1), (false, 8), (true, 8)] {
        let puppet = Arc::new(Puppet::default());
        puppet.down.store(true, Ordering::SeqCst);
        let mut delivery = Delivery::to(Arc::clone(&puppet))
            .retry(RetryPolicy { give_up_after: Some(s(60)), ..RetryPolicy::default() })
            .concurrency(concurrency)
            .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() });
        if batch {
            delivery = delivery.batch(BatchPolicy { max_size: 1, max_age: s(1) });
        }
        let delivery = delivery.start().unwrap();
        let queued = delivery.enqueue(event()).unwrap();
        tokio::time::sleep(s(600)).await;
        // It works again, but for one more failure.
        delivery.breaker().unwrap().reset(crate::policy::Operation::new("repair"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        puppet.down.store(false, Ordering::SeqCst);
        assert!(queued.await.is_ok(), "with a batch: {batch}, {concurrency} at once");
    }
}
