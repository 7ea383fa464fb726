//! The tables of policies, read field by field.

use std::time::Duration;

use dispatch_core::policy::{BatchPolicy, BreakerConfig, BudgetConfig, RateLimit, RetryPolicy};
use serde_json::Value;

use super::Fields;

pub(super) fn retry(fields: &mut Fields<'_>) -> Option<RetryPolicy> {
    let standard = RetryPolicy::default();
    let policy = fields.table("retry", |fields| RetryPolicy {
        backoff: fields.choice("kind", &["fixed", "linear", "exponential", "explicit"]),
        max_retries: fields.or("max_retries", standard.max_retries),
        base: fields.millis("base_ms", standard.base),
        multiplier: fields.or("multiplier", standard.multiplier),
        cap: fields.millis("cap_ms", standard.cap),
        jitter: fields.choice("jitter", &["none", "equal", "full"]),
        schedule_ms: fields.or("schedule_ms", Vec::new()),
        give_up_after: fields.optional("give_up_after_ms").map(Duration::from_millis),
        budget: budget(fields),
    })?;
    fields.refuse_all(policy.problems());
    Some(policy)
}

/// `budget = false`, and `null` in JSON, sets no limit.
fn budget(fields: &mut Fields<'_>) -> Option<BudgetConfig> {
    let standard = BudgetConfig::default();
    if fields.is_null("budget") || fields.raw("budget") == Some(&Value::Bool(false)) {
        return None;
    }
    let budget = fields.table("budget", |fields| BudgetConfig {
        ratio: fields.or("ratio", standard.ratio),
        min_per_second: fields.or("min_per_second", standard.min_per_second),
        burst: fields.or("burst", standard.burst),
    });
    Some(budget.unwrap_or(standard))
}

pub(super) fn breaker(fields: &mut Fields<'_>) -> Option<BreakerConfig> {
    let standard = BreakerConfig::default();
    let config = fields.table("circuit_breaker", |fields| BreakerConfig {
        failure_threshold: fields.or("failure_threshold", standard.failure_threshold),
        recovery_timeout: fields.millis("recovery_timeout_ms", standard.recovery_timeout),
        half_open_max_calls: fields.or("half_open_max_calls", standard.half_open_max_calls),
        success_threshold: fields.or("success_threshold", standard.success_threshold),
    })?;
    fields.refuse_all(config.problems());
    Some(config)
}

pub(super) fn rate(fields: &mut Fields<'_>, name: &str) -> Option<RateLimit> {
    let mut given = false;
    let limit = fields.table(name, |fields| {
        let events = fields.needed("events");
        given = events.is_some();
        RateLimit {
            events: events.unwrap_or_default(),
            per: fields.millis("per_ms", Duration::from_secs(1)),
            burst: fields.or("burst", 1),
        }
    })?;
    // What is missing has been said already.
    let problems = RateLimit { events: if given { limit.events } else { 1 }, ..limit }.problems();
    fields.refuse_all(problems);
    Some(limit)
}

pub(super) fn batch(fields: &mut Fields<'_>) -> Option<BatchPolicy> {
    let standard = BatchPolicy::default();
    let policy = fields.table("batch", |fields| BatchPolicy {
        max_size: fields.or("max_size", standard.max_size),
        max_age: fields.millis("max_age_ms", standard.max_age),
    })?;
    fields.refuse_all(policy.problems());
    Some(policy)
}
