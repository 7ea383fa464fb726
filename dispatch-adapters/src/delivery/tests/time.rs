//! How long an attempt has, where what it asks needs time of its own.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::{Target, Targets};

/// Takes four seconds.
struct Slow;

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        tokio::time::sleep(s(4)).await;
        Ok(Receipt::taken())
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_with_a_batch_takes_a_lone_envelope() {
    let (puppet, second) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    let second = Delivery::to(second).batch(BatchPolicy::default()).start().unwrap();
    let delivery = Delivery::to(puppet).fallback(Fallback::to(second)).start().unwrap();
    assert!(delivery.deliver(&event()).await.unwrap().fallback);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_have_the_time_to_fill_a_batch() {
    let grave = Arc::new(Puppet::default());
    let batch = BatchPolicy { max_size: 100, max_age: s(60) };
    let inner = Delivery::to(Arc::clone(&grave)).batch(batch).start().unwrap();
    let counts = Arc::new(Counts::default());
    let observer = Arc::clone(&counts) as Arc<dyn DeliveryObserver>;
    let letters = DeadLetters::builder([inner]).observe(observer).start().unwrap();
    let delivery = Delivery::to(Arc::new(Puppet::default())).dead_letters(&letters).start().unwrap();
    assert!(delivery.deliver(&Envelope::empty("Bad")).await.is_err());
    tokio::time::sleep(s(61)).await;
    assert_eq!((letters.pending(), grave.taken()), (0, 1));
    assert_eq!(counts.of("DeadLetterKept"), 0, "the first try is the one that is taken");
}

#[tokio::test(start_paused = true)]
async fn targets_have_time_for_each_turn() {
    let target = |name: &str| Target::new(name, Delivery::to(Slow).start().unwrap());
    let targets = Targets::new(["a", "b", "c"].map(target)).unwrap().with_concurrency(2);
    assert_eq!(targets.time_for(s(5)), s(10));
    assert!(Delivery::to(targets).start().unwrap().deliver(&event()).await.is_ok());
    let queued = ["a", "b", "c"].map(|name| target(name).queued());
    assert_eq!(Targets::new(queued).unwrap().with_concurrency(1).time_for(s(5)), s(5), "they answer at once");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_the_time_that_its_adapter_needs_by_then() {
    /// Needs more time later.
    struct Replaced(Arc<AtomicU64>);

    #[async_trait]
    impl Adapter for Replaced {
        fn name(&self) -> &str {
            "replaced"
        }

        fn time_for(&self, limit: Duration) -> Duration {
            limit + s(self.0.load(Ordering::SeqCst))
        }

        async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
            tokio::time::sleep(s(8)).await;
            Ok(Receipt::taken())
        }
    }

    let own = Arc::new(AtomicU64::new(0));
    let delivery = Delivery::to(Replaced(Arc::clone(&own))).timeout(s(5)).start().unwrap();
    assert!(delivery.deliver(&event()).await.is_err());
    own.store(4, Ordering::SeqCst);
    assert!(delivery.deliver(&event()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_time_out_leaves_the_adapter_the_time_it_needs_itself() {
    /// Waits for a connection of its own, and then for the destination.
    struct Queues;

    #[async_trait]
    impl Adapter for Queues {
        fn name(&self) -> &str {
            "queues"
        }

        fn time_for(&self, limit: Duration) -> Duration {
            limit + s(4)
        }

        async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
            tokio::time::sleep(if envelope.message_type_str() == "Hangs" { s(3600) } else { s(8) }).await;
            Ok(Receipt::taken())
        }
    }

    let delivery = Delivery::to(Arc::new(Queues)).timeout(s(5)).start().unwrap();
    assert!(delivery.deliver(&event()).await.is_ok());
    let before = Instant::now();
    assert!(delivery.deliver(&Envelope::empty("Hangs")).await.is_err());
    assert_eq!(before.elapsed(), s(9));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_hangs_is_given_up() {
    let (puppet, second) = (Arc::new(Puppet::default()), Arc::new(Puppet::default()));
    puppet.down.store(true, Ordering::SeqCst);
    second.hangs.store(true, Ordering::SeqCst);
    let delivery = Delivery::to(Arc::clone(&puppet)).fallback(Fallback::to(second)).start().unwrap();
    let before = Instant::now();
    assert!(delivery.deliver(&event()).await.is_err());
    assert_eq!(before.elapsed(), s(5));
}
