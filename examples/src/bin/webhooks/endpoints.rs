//! Where the webhooks go, and under which policies.

use std::error::Error;
use std::time::Duration;

use dispatch_adapters::http::{AddressGuard, PoolOptions};
use dispatch_adapters::metrics::DeliveryRecorder;
use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
use dispatch_adapters::webhook::{Webhook, WebhookOptions};
use dispatch_adapters::{DeadLetters, Delivery, Target, Targets};

use crate::receiver::{EVENT_HEADER, Receiver};

/// One target for each endpoint of the receiver.
pub(crate) fn start(
    receiver: &Receiver,
    metrics: &DeliveryRecorder,
    dead_letters: &DeadLetters,
) -> Result<Targets, Box<dyn Error>> {
    // Webhooks go to public addresses only, unless a range is allowed by name.
    let guard = AddressGuard::on().allowing("127.0.0.1/32".parse()?);
    let pool = PoolOptions { guard: Some(guard), size: crate::IN_FLIGHT, ..PoolOptions::default() };
    let retry = RetryPolicy {
        max_retries: 5,
        base: Duration::from_millis(10),
        cap: Duration::from_millis(200),
        // Half of the requests to `flaky` fail. By default no more than a fifth of the traffic may be retries.
        budget: None,
        ..RetryPolicy::default()
    };
    let breaker = BreakerConfig { recovery_timeout: Duration::from_millis(100), ..BreakerConfig::default() };

    let mut targets = Vec::new();
    for endpoint in receiver.endpoints() {
        let options = WebhookOptions::new(receiver.url(endpoint), endpoint.secret.clone())
            .with_event_header(EVENT_HEADER)
            .with_pool(pool.clone());
        let mut delivery = Delivery::to(Webhook::new(options))
            .destination(endpoint.name)
            .retry(retry.clone())
            .max_in_flight(crate::IN_FLIGHT)
            .dead_letters(dead_letters)
            .metrics(metrics);
        if endpoint.is_down_at_first() {
            delivery = delivery.circuit_breaker(breaker);
        }
        targets.push(Target::new(endpoint.name, delivery.start()?));
    }
    Ok(Targets::new(targets)?)
}
