//! What a fallback takes is delivered, says so, and is counted.

use dispatch_metrics::DeliveryRecorder;

use super::*;

/// A delivery to what is down, with a fallback, and what counts it.
fn falling(fallback: Fallback) -> (Delivery, DeliveryRecorder, Arc<Counts>) {
    let puppet = Arc::new(Puppet::default());
    puppet.down.store(true, Ordering::SeqCst);
    let (recorder, counts) = (DeliveryRecorder::new(), Arc::new(Counts::default()));
    let delivery = Delivery::to(puppet)
        .fallback(fallback)
        .metrics(&recorder)
        .observe(Arc::clone(&counts) as Arc<dyn DeliveryObserver>)
        .start()
        .unwrap();
    (delivery, recorder, counts)
}

fn counted(recorder: &DeliveryRecorder) -> (u64, u64, u64) {
    let metrics = recorder.snapshot();
    let own = metrics.destination("puppet", "puppet").unwrap();
    (own.fell_back, own.delivered, own.failed.retry)
}

#[tokio::test(start_paused = true)]
async fn a_value_is_the_receipt() {
    let (delivery, recorder, counts) = falling(Fallback::Value(Receipt::with_id("spare")));
    let receipt = delivery.deliver(&event()).await.unwrap();
    assert_eq!((receipt.id.as_deref(), receipt.fallback), (Some("spare"), true));
    // Queued and in a list it is the same.
    assert!(delivery.enqueue(event()).unwrap().await.unwrap().fallback);
    assert!(delivery.deliver_batch(&[event()]).await.iter().all(|result| result.as_ref().unwrap().fallback));
    assert_eq!(counted(&recorder), (3, 0, 0));
    assert_eq!((counts.of("FellBack"), counts.of("Delivered"), counts.of("Failed")), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_gets_the_envelope_and_the_error_and_may_succeed() {
    let envelope = event();
    let wanted = envelope.id();
    let (delivery, recorder, _) = falling(Fallback::with(move |envelope, error| {
        assert_eq!((envelope.id(), error.message()), (wanted, "down"));
        Ok(Receipt::with_id("decided"))
    }));
    let receipt = delivery.deliver(&envelope).await.unwrap();
    assert_eq!((receipt.id.as_deref(), receipt.fallback), (Some("decided"), true));
    assert_eq!(counted(&recorder), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_fallback_does_not_take_either_has_failed_and_has_not_fallen_back() {
    let (delivery, recorder, counts) = falling(Fallback::with(|_, _| Err(DeliveryError::permanent("nor I"))));
    assert_eq!(delivery.deliver(&event()).await.unwrap_err().message(), "down");
    assert_eq!(counted(&recorder), (0, 0, 1));
    assert_eq!((counts.of("FellBack"), counts.of("Failed")), (0, 1));
}
