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
