//! Kinds `retry_delays` and `circuit_breaker`.

use std::time::Duration;

use dispatch_core::policy::{BreakerConfig, BreakerState, Jitter, RetryPolicy, Verdict};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::case::read;

pub(super) fn retry_delays(input: &Value) -> Result<Value, String> {
    let policy: RetryPolicy = read(&input["policy"])?;
    let policy = policy.with_jitter(Jitter::None);
    let mut rng = SmallRng::seed_from_u64(0);
    let delays = (0..).map_while(|retries| policy.delay(retries, &mut rng));
    Ok(delays.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)).collect())
}

pub(super) fn circuit_breaker(input: &Value) -> Result<Value, String> {
    let config: BreakerConfig = read(&input["config"])?;
    let ops: Vec<Vec<Value>> = read(&input["ops"])?;
    let (mut breaker, mut now) = (BreakerState::default(), Duration::ZERO);
    ops.iter()
        .map(|op| {
            let name = op.first().and_then(Value::as_str).ok_or("an op without a name")?;
            let mut entry = json!({});
            match name {
                "ok" => breaker.record(&config, Verdict::Success, now),
                "fail" => breaker.record(&config, Verdict::Failure, now),
                "try" => {
                    let passed = breaker.admit(&config, now).is_ok();
                    entry["try"] = if passed { "pass" } else { "refuse" }.into();
                }
                "advance" => {
                    let ms = op.get(1).and_then(Value::as_u64).ok_or("advance without milliseconds")?;
                    now += Duration::from_millis(ms);
                }
                other => return Err(format!("unknown op '{other}'")),
            }
            entry["state"] = breaker.phase().as_str().into();
            Ok(entry)
        })
        .collect()
}
