//! How a destination is, as its delivery tells it.

use std::time::SystemTime;

use dispatch_core::Clock;

use super::*;

/// Wall time that goes with the virtual one.
struct Wall(Instant);

impl Wall {
    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + s(1_000_000 + seconds)
    }
}

impl Clock for Wall {
    fn now(&self) -> SystemTime {
        Self::at(0) + self.0.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_as_its_breaker_is() {
    let puppet = Arc::new(Puppet { fail_first: 1, ..Puppet::default() });
    let config = BreakerConfig { failure_threshold: 1, recovery_timeout: s(30), ..BreakerConfig::default() };
    let delivery = Delivery::to(Arc::clone(&puppet)).circuit_breaker(config).timeout(s(20)).start().unwrap();
    let status = async || delivery.health().await.status;
    assert_eq!(status().await, HealthStatus::Unknown, "nothing is known yet");

    delivery.deliver(&event()).await.unwrap_err();
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::Open);
    assert_eq!(status().await, HealthStatus::Unhealthy);

    // A probe that is out.
    puppet.hangs.store(true, Ordering::SeqCst);
    tokio::time::sleep(s(31)).await;
    let envelope = event();
    let mut probe = std::pin::pin!(delivery.deliver(&envelope));
    assert!(tokio::time::timeout(s(1), &mut probe).await.is_err());
    assert_eq!(delivery.breaker().unwrap().phase(), BreakerPhase::HalfOpen);
    assert_eq!(status().await, HealthStatus::Degraded);
}

#[tokio::test(start_paused = true)]
async fn what_wants_nothing_more_is_unhealthy_until_it_is_enabled() {
    let puppet = Arc::new(Puppet::default());
    let delivery = Delivery::to(Arc::clone(&puppet)).start().unwrap();
    delivery.deliver(&event()).await.unwrap();
    assert_eq!(delivery.health().await.status, HealthStatus::Healthy);
    puppet.disabled.store(true, Ordering::SeqCst);
    delivery.deliver(&event()).await.unwrap_err();
    assert!(delivery.is_disabled());
    assert_eq!(delivery.health().await.status, HealthStatus::Unhealthy);
    puppet.disabled.store(false, Ordering::SeqCst);
    delivery.enable();
    delivery.deliver(&event()).await.unwrap();
    assert_eq!(delivery.health().await.status, HealthStatus::Healthy);
}

/// Takes 3 s.
struct Slow;

#[async_trait]
impl Adapter for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        tokio::time::sleep(s(3)).await;
        match envelope.message_type_str() {
            "Bad" => Err(DeliveryError::retry("down")),
            _ => Ok(Receipt::taken()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_knows_how_long_the_last_success_took_and_when_it_was() {
    let delivery = Delivery::to(Slow).clock(Arc::new(Wall(Instant::now()))).start().unwrap();
    let first = delivery.health().await;
    assert_eq!((first.latency, first.last_success), (None, None));
    tokio::time::sleep(s(10)).await;
    delivery.deliver(&event()).await.unwrap();
    tokio::time::sleep(s(100)).await;
    let health = delivery.health().await;
    assert_eq!((health.latency, health.last_success), (Some(s(3)), Some(Wall::at(13))));

    // A failure changes neither.
    delivery.deliver(&Envelope::empty("Bad")).await.unwrap_err();
    let health = delivery.health().await;
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert_eq!((health.latency, health.last_success), (Some(s(3)), Some(Wall::at(13))));
    delivery.deliver(&event()).await.unwrap();
    assert_eq!(delivery.health().await.last_success, Some(Wall::at(119)));
}
