//! Policies of one's own: written with what is public, and counted like the built-in ones.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_adapters::delivery::Delivery;
use dispatch_adapters::model::delivery::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
use dispatch_adapters::model::policy::{BreakerConfig, Failure, Refusal, RefusedBy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, ErrorCode, Problem, Receipt};
use dispatch_adapters::policy::{Around, Breaker, Call, InFlight, Observe, Policy, Stack, Telemetry};

/// Lets nothing pass in the first minute, and each call wait a moment after that.
#[derive(Clone)]
struct Curfew {
    begun: tokio::time::Instant,
    moment: Duration,
}

impl Policy for Curfew {
    async fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> Result<T, E>
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        let left = Duration::from_secs(60).saturating_sub(call.clock() - self.begun);
        if !left.is_zero() {
            return Err(call.telemetry.refuse(RefusedBy::Stopped, Some(left)));
        }
        tokio::time::sleep(self.moment).await;
        call.waited();
        attempt().await
    }

    fn problems(&self) -> Vec<Problem> {
        let text = format!("curfew: the moment is {:?}: use less than 1 s", self.moment);
        let wrong = self.moment >= Duration::from_secs(1);
        wrong.then(|| Problem::new(ErrorCode::InvalidParameter, text)).into_iter().collect()
    }
}

struct Slow;

#[async_trait::async_trait]
impl Adapter for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(Receipt::taken())
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<DeliveryEvent>>);

impl DeliveryObserver for Events {
    fn on_event(&self, _: &DeliveryLabels, event: &DeliveryEvent) {
        self.0.lock().unwrap().push(*event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_refuses_waits_and_is_observed() {
    let events = Arc::new(Events::default());
    let telemetry = Telemetry::new(DeliveryLabels::new("slow", "place"))
        .with_observers([Arc::clone(&events) as Arc<dyn DeliveryObserver>]);
    let curfew = Curfew { begun: tokio::time::Instant::now(), moment: Duration::from_millis(700) };
    let guarded = Around::new(Stack(curfew.clone(), Observe), Slow).with_telemetry(telemetry);

    let refused = guarded.deliver(&Envelope::empty("X")).await.unwrap_err();
    let Some(Refusal { by, service, retry_in, .. }) = refused.refusal() else { panic!("{refused:?}") };
    assert_eq!((*by, &**service, *retry_in), (RefusedBy::Stopped, "place", Some(Duration::from_secs(60))));
    assert_eq!(*events.0.lock().unwrap(), [DeliveryEvent::Refused { by: RefusedBy::Stopped }]);

    tokio::time::advance(Duration::from_secs(60)).await;
    guarded.deliver(&Envelope::empty("X")).await.unwrap();
    // What the policy has waited for is not the destination's time.
    let last = *events.0.lock().unwrap().last().unwrap();
    assert_eq!(last, DeliveryEvent::Attempted { failed: None, latency: Duration::from_secs(3) });

    let lasting = Curfew { moment: Duration::from_secs(2), ..curfew };
    assert!(Around::new(lasting, Slow).validate().unwrap_err()[0].message().starts_with("curfew: "));
}

#[test]
fn impossible_values_are_named_where_a_policy_is_made() {
    let config = BreakerConfig { failure_threshold: 0, half_open_max_calls: 0, ..BreakerConfig::default() };
    for refused in [Breaker::new(config), Breaker::holding(config, 7)] {
        let problems = refused.unwrap_err().problems().to_vec();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].message().starts_with("circuit breaker: failure_threshold is 0: use 1 to "));
    }
    for limit in [0, 1_000_001] {
        let refused = InFlight::new(limit).unwrap_err().to_string();
        assert!(refused.contains(&format!("max_in_flight is {limit}: use 1 to 1000000")), "{refused}");
    }
    assert!(Breaker::new(BreakerConfig::default()).is_ok() && InFlight::new(1_000_000).is_ok());
}

#[tokio::test]
async fn the_builder_names_them_among_the_others() {
    let config = BreakerConfig { failure_threshold: 0, ..BreakerConfig::default() };
    let refused = Delivery::to(Slow).circuit_breaker(config).max_in_flight(0).start().unwrap_err();
    assert_eq!(refused.problems().len(), 2, "{refused}");
}
