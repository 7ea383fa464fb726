//! How much is held, and who is refused.

use super::*;

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
async fn who_waits_behind_a_batch_that_is_held_is_bounded_and_gives_up_in_time() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy { give_up_after: Some(s(20)), ..RetryPolicy::default() })
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(30)
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    let queued = delivery.enqueue(event()).unwrap();
    tokio::time::sleep(s(3)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    let (other, lone) = (delivery.clone(), event());
    let lone = tokio::spawn(async move { other.deliver(&lone).await });
    let before = Instant::now();
    let list: Vec<_> = (0..10).map(|_| event()).collect();
    let results = delivery.deliver_batch(&list).await;
    assert!(before.elapsed() <= s(20), "{:?}", before.elapsed());
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.refusal().is_some())));
    assert!(lone.await.unwrap().unwrap_err().refusal().is_some());
    assert!(before.elapsed() <= s(22), "{:?}", before.elapsed());
    puppet.down.store(false, Ordering::SeqCst);
    assert!(queued.await.is_ok(), "what is queued stays held");
}

#[tokio::test(start_paused = true)]
async fn callers_who_have_gone_take_no_room_from_others() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(15)
        .batch(BatchPolicy { max_size: 1, max_age: s(1) })
        .start()
        .unwrap();
    assert!(delivery.deliver(&event()).await.is_err());
    let gone: Vec<_> = (0..15)
        .map(|_| {
            let delivery = delivery.clone();
            tokio::spawn(async move { tokio::time::timeout(s(5), delivery.deliver(&event())).await })
        })
        .collect();
    tokio::time::sleep(s(6)).await;
    assert!(gone.iter().all(tokio::task::JoinHandle::is_finished));
    // The first that is refused makes room for those after it.
    assert!(delivery.deliver(&event()).await.unwrap_err().refusal().is_some());
    tokio::time::sleep(Duration::from_millis(1)).await;
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.deliver(&event()).await.is_ok());
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
async fn who_waits_for_room_in_a_batch_is_refused_when_the_breaker_opens() {
    let puppet = Arc::new(Puppet::default());
    puppet.hangs.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .timeout(s(5))
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(2)
        .batch(BatchPolicy { max_size: 1, max_age: s(1) })
        .start()
        .unwrap();
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let delivery = delivery.clone();
            tokio::spawn(async move { delivery.deliver(&event()).await })
        })
        .collect();
    tokio::time::sleep(s(4)).await;
    assert!(calls.iter().all(|call| !call.is_finished()), "ten are inside, the others wait for room");
    tokio::time::sleep(s(2)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    assert_eq!(calls.iter().filter(|call| !call.is_finished()).count(), 2, "no more are held");
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_callers_are_refused_when_a_list_opens_the_breaker() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(15)
        .batch(BatchPolicy { max_size: 10, max_age: s(2) })
        .start()
        .unwrap();
    let list: Vec<_> = (0..10).map(|_| event()).collect();
    let other = delivery.clone();
    let list = tokio::spawn(async move { other.deliver_batch(&list).await });
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let delivery = delivery.clone();
            tokio::spawn(async move { delivery.deliver(&event()).await })
        })
        .collect();
    tokio::time::sleep(s(10)).await;
    let held = calls.iter().filter(|call| !call.is_finished()).count();
    assert!((1..=15).contains(&held), "{held} are held, the others are refused");
    puppet.down.store(false, Ordering::SeqCst);
    let told = |result: &Result<Receipt, DeliveryError>| match result {
        Ok(_) => true,
        // No room for all of it; what was tried is told.
        Err(error) => error.refusal().is_some() && error.history().is_some(),
    };
    assert!(list.await.unwrap().iter().all(told));
}

#[tokio::test(start_paused = true)]
async fn who_has_an_answer_takes_no_room_though_its_batch_is_held() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(12)
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    let deliver = |name: &'static str, count: usize| -> Vec<_> {
        let one = |_| {
            let delivery = delivery.clone();
            tokio::spawn(async move { delivery.deliver(&Envelope::empty(name)).await })
        };
        (0..count).map(one).collect()
    };
    let (bad, held) = (deliver("Bad", 9), deliver("Happened", 1));
    tokio::time::sleep(s(1)).await;
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    assert!(bad.iter().all(tokio::task::JoinHandle::is_finished) && !held[0].is_finished());
    let others = deliver("Happened", 15);
    tokio::time::sleep(s(10)).await;
    assert_eq!(others.iter().filter(|call| !call.is_finished()).count(), 11, "with the one, twelve");
    puppet.down.store(false, Ordering::SeqCst);
    assert!(delivery.shutdown(s(120)).await.is_complete());
    assert_eq!(puppet.taken(), 12);
}

#[tokio::test(start_paused = true)]
async fn lists_that_wait_behind_a_batch_that_is_held_are_bounded_together() {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .max_held(30)
        .batch(BatchPolicy { max_size: 10, max_age: s(1) })
        .start()
        .unwrap();
    let queued = delivery.enqueue(event()).unwrap();
    tokio::time::sleep(s(3)).await;
    let lists: Vec<_> = (0..10)
        .map(|_| {
            let (delivery, list) = (delivery.clone(), [(); 10].map(|()| event()));
            tokio::spawn(async move { delivery.deliver_batch(&list).await })
        })
        .collect();
    tokio::time::sleep(s(1)).await;
    let (refused, waiting): (Vec<_>, Vec<_>) =
        lists.into_iter().partition(tokio::task::JoinHandle::is_finished);
    assert_eq!(waiting.len(), 2, "one envelope is held, and for a third list there is no room");
    for refused in refused {
        let by = |result: &Result<Receipt, DeliveryError>| {
            result.as_ref().err().and_then(DeliveryError::refusal).map(|refusal| refusal.by)
        };
        assert!(refused.await.unwrap().iter().all(|result| by(result) == Some(RefusedBy::CircuitOpen)));
    }
    puppet.down.store(false, Ordering::SeqCst);
    assert!(queued.await.is_ok());
    for waiting in waiting {
        assert!(waiting.await.unwrap().iter().all(Result::is_ok));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_behind_a_batch_is_not_told_of_a_breaker_that_does_not_exist() {
    let puppet = Arc::new(Puppet::default());
    puppet.hangs.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet))
        .timeout(s(3600))
        .retry(RetryPolicy { give_up_after: Some(s(20)), ..RetryPolicy::default() })
        .batch(BatchPolicy { max_size: 1, max_age: s(1) })
        .start()
        .unwrap();
    drop(delivery.enqueue(event()).unwrap());
    tokio::time::sleep(s(2)).await;
    let by = |error: DeliveryError| error.refusal().unwrap().by;
    let envelope = event();
    let list = [event()];
    let (lone, listed) = tokio::join!(delivery.deliver(&envelope), delivery.deliver_batch(&list));
    assert_eq!(by(lone.unwrap_err()), RefusedBy::QueueFull);
    assert_eq!(listed.into_iter().map(|it| by(it.unwrap_err())).collect::<Vec<_>>(), [RefusedBy::QueueFull]);
}
