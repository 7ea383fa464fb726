//! A destination that wants nothing more.

use super::*;

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
async fn what_is_held_is_not_sent_after_a_destination_has_said_that_it_wants_nothing_more() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet))
        .retry(RetryPolicy::default())
        .circuit_breaker(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() })
        .concurrency(8)
        .max_in_flight(1)
        .dead_letters(&letters)
        .start()
        .unwrap();
    puppet.down.store(true, Ordering::SeqCst);
    for _ in 0..8 {
        drop(delivery.enqueue(event()).unwrap());
    }
    tokio::time::sleep(s(30)).await;
    let calls = puppet.calls();
    puppet.disabled.store(true, Ordering::SeqCst);
    assert!(delivery.shutdown(s(300)).await.is_complete());
    assert_eq!(puppet.calls(), calls + 1, "one probe has found it out");
    assert!(letters.close(s(1)).await.is_complete());
    assert_eq!(grave.taken(), 8, "all of them are dead letters");
}

#[tokio::test(start_paused = true)]
async fn what_the_gate_refused_does_not_close_it_again() {
    let (puppet, grave) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    let letters = DeadLetters::to([Arc::clone(&grave)]).unwrap();
    let delivery = Delivery::to(Arc::clone(&puppet)).dead_letters(&letters).start().unwrap();
    puppet.disabled.store(true, Ordering::SeqCst);
    assert_eq!(delivery.deliver(&event()).await.unwrap_err().to_string(), "gone");
    let error = delivery.deliver(&event()).await.unwrap_err();
    assert_eq!(error.to_string(), "puppet (puppet) wants nothing more; enable() delivers to it again");
    assert!(error.refusal().is_some(), "no attempt was made");
    puppet.disabled.store(false, Ordering::SeqCst);
    delivery.enable();
    delivery.shared.gate.note(&error, delivery.labels());
    assert!(delivery.deliver(&event()).await.is_ok());
    assert!(letters.close(s(1)).await.is_complete() && grave.taken() == 2);
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_settles_all_of_a_list_at_once() {
    let puppet = Arc::new(Puppet::default());
    puppet.disabled.store(true, Ordering::SeqCst);
    let batch = BatchPolicy { max_size: 2, max_age: s(1) };
    let delivery = Delivery::to(Arc::clone(&puppet)).batch(batch).start().unwrap();
    assert!(delivery.deliver_batch(&[event()]).await[0].is_err());
    let list = [(); 5].map(|()| event());
    let list = super::part::List { envelopes: &list, before: &[] };
    let mut told = Vec::new();
    let tell = |place, outcome: Result<Receipt, DeliveryError>| told.push((place, outcome.is_err()));
    let settled = delivery.shared.deliver_part(list, &crate::policy::Moment::start(), tell).await;
    assert_eq!((settled, told), (5, (0..5).map(|place| (place, true)).collect()));
}
