use std::sync::atomic::{AtomicUsize, Ordering};

use dispatch_core::delivery::DeliveryLabels;
use dispatch_core::policy::BreakerConfig;
use tokio::time::Instant;

use super::*;
use crate::policy::Operation;

/// Remembers the sizes of batches and fails every envelope of a type.
#[derive(Default)]
struct Sizes(AtomicUsize, AtomicUsize);

#[async_trait]
impl Adapter for Sizes {
    fn name(&self) -> &str {
        "sizes"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError::permanent("batches only"))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.fetch_max(envelopes.len(), Ordering::SeqCst);
        let answer = |envelope: &Envelope| match envelope.message_type_str() {
            "Bad" => Err(DeliveryError::permanent("bad")),
            _ => Ok(Receipt::with_id(envelope.id().to_string())),
        };
        envelopes.iter().map(answer).collect()
    }
}

fn batched(max_size: usize) -> Batched<Sizes> {
    let policy = BatchPolicy { max_size, max_age: Duration::from_secs(5) };
    let telemetry = Telemetry::new(DeliveryLabels::new("sizes", "sizes"));
    Batched::start(policy, Sizes::default(), telemetry).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_caller_gets_its_own_result() {
    let batched = batched(3);
    let envelopes = ["Good", "Bad", "Good"].map(Envelope::empty);
    let results = futures_util::future::join_all(envelopes.iter().map(|it| batched.deliver(it))).await;
    assert_eq!(results[0].as_ref().unwrap().id, Some(envelopes[0].id().to_string()));
    assert_eq!(results[1].as_ref().unwrap_err().message(), "bad");
    assert_eq!(results[2].as_ref().unwrap().id, Some(envelopes[2].id().to_string()));
    assert_eq!(batched.inner().0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lone_envelope_leaves_when_it_is_old() {
    let (batched, before) = (batched(100), Instant::now());
    batched.deliver(&Envelope::empty("Good")).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_age() {
    let (batched, before) = (batched(100), Instant::now());
    let envelope = Envelope::empty("Good");
    let (delivered, ()) = tokio::join!(batched.deliver(&envelope), async {
        tokio::task::yield_now().await;
        batched.flush().await;
    });
    assert!(delivered.is_ok() && before.elapsed() < Duration::from_millis(5));
    assert_eq!(batched.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_not_sent() {
    let batched = batched(100);
    let envelope = Envelope::empty("Good");
    let given_up = tokio::time::timeout(Duration::from_secs(1), batched.deliver(&envelope)).await;
    assert!(given_up.is_err());
    batched.flush().await;
    assert_eq!(batched.inner().0.load(Ordering::SeqCst), 0);
}

/// Takes a second for each batch, and remembers what came.
#[derive(Default)]
struct Slow(std::sync::Mutex<Vec<dispatch_core::uuid::Uuid>>, AtomicUsize, AtomicUsize);

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        Err(DeliveryError::permanent("batches only"))
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let now = self.1.fetch_add(1, Ordering::SeqCst) + 1;
        self.2.fetch_max(now, Ordering::SeqCst);
        // The first takes longest: were the second sent meanwhile, it would overtake.
        let first = self.0.lock().unwrap().is_empty();
        tokio::time::sleep(Duration::from_secs(if first { 3 } else { 1 })).await;
        self.0.lock().unwrap().extend(envelopes.iter().map(Envelope::id));
        self.1.fetch_sub(1, Ordering::SeqCst);
        envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
    }
}

fn slow() -> Batched<Slow> {
    let policy = BatchPolicy { max_size: 10, max_age: Duration::from_secs(5) };
    let telemetry = Telemetry::new(DeliveryLabels::new("slow", "slow"));
    Batched::start(policy, Slow::default(), telemetry).unwrap()
}

#[tokio::test(start_paused = true)]
async fn batches_are_sent_one_at_a_time_and_arrive_in_order() {
    let (batched, envelopes) = (slow(), [(); 45].map(|()| Envelope::empty("Good")));
    let results = futures_util::future::join_all(envelopes.iter().map(|it| batched.deliver(it))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(*batched.inner().0.lock().unwrap(), envelopes.each_ref().map(Envelope::id));
    assert_eq!(batched.inner().2.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flush_returns_under_steady_load() {
    let batched = Arc::new(slow());
    let load = Arc::clone(&batched);
    let load = tokio::spawn(async move {
        loop {
            let load = Arc::clone(&load);
            tokio::spawn(async move { load.deliver(&Envelope::empty("Good")).await });
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(1550)).await;
    let before = Instant::now();
    tokio::time::timeout(Duration::from_secs(60), batched.flush()).await.expect("it returns");
    // One is on its way, the rest of what came before follows it.
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert!(batched.inner().0.lock().unwrap().len() >= 15);
    load.abort();
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_makes_no_small_batches_while_no_place_is_free() {
    let batched = Arc::new(slow());
    let lone = Arc::clone(&batched);
    batched.hurry();
    let lone = tokio::spawn(async move { lone.deliver(&Envelope::empty("Good")).await });
    // The first batch takes three seconds; meanwhile these come, one by one.
    let mut calls = Vec::new();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let batched = Arc::clone(&batched);
        calls.push(tokio::spawn(async move { batched.deliver(&Envelope::empty("Good")).await }));
    }
    let before = Instant::now();
    assert!(lone.await.unwrap().is_ok());
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(
        before.elapsed() < Duration::from_secs(4),
        "one more batch takes them all: {:?}",
        before.elapsed()
    );
}

#[test]
fn a_batch_that_has_ended_refuses_as_stopped() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let gone = runtime();
    let batched = gone.block_on(async { batched(10) });
    drop(gone);
    let error = runtime().block_on(batched.deliver(&Envelope::empty("Good"))).unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.by), Some(RefusedBy::Stopped));
}

#[tokio::test(start_paused = true)]
async fn however_many_are_refused_the_actor_is_asked_once_to_make_room() {
    let breaker =
        Breaker::holding(BreakerConfig { failure_threshold: 1, ..BreakerConfig::default() }, 0).unwrap();
    breaker.record_failure(Operation::new("test"));
    let Batched { sender, room, max_age, .. } = batched(10);
    // An actor that is busy with something else.
    let (mailbox, commands) = mpsc::unbounded_channel();
    let batched = Batched { sender, mailbox, room, hold: Some(Hold { breaker, most: 0 }), max_age };
    for _ in 0..1000 {
        assert!(batched.deliver(&Envelope::empty("Good")).await.unwrap_err().refusal().is_some());
    }
    assert_eq!(commands.len(), 1);
}
