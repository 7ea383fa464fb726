//! An adapter of the program's own: its options are checked, it has a name in configurations, and it gets every policy.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use async_trait::async_trait;
use dispatch_adapters::config::{AdapterRegistry, Fields};
use dispatch_adapters::model::{Adapter, DeliveryError, Problem, Receipt};
use dispatch_adapters::prelude::*;
use dispatch_adapters::{TargetOutcome, Targets};
use serde_json::json;

/// Sends short messages; here to standard output.
struct Sms {
    to: String,
    limit: usize,
}

#[async_trait]
impl Adapter for Sms {
    fn name(&self) -> &str {
        "sms"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        match self.to.strip_prefix('+') {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            _ => Err(vec![Problem::new(ErrorCode::InvalidParameter, "to: write it as '+49301234567'")]),
        }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let payload = envelope.raw_payload().to_json();
        let payload = payload.map_err(|error| DeliveryError::permanent("not JSON").with_source(error))?;
        let text = format!("{} {payload}", envelope.message_type_str());
        if text.len() > self.limit {
            return Err(DeliveryError::permanent(format!("longer than {} bytes", self.limit)));
        }
        println!("  to {}: {text}", self.to);
        Ok(Receipt::taken())
    }
}

const GOOD: &str = r#"
    [[targets]]
    type = "sms"
    name = "on-call"
    to = "+49301234567"
    limit = 60
    timeout_ms = 2000
    retry = { max_retries = 5, base_ms = 100, jitter = "full" }
    circuit_breaker = { failure_threshold = 3, recovery_timeout_ms = 10000 }
    rate_limit = { events = 10 }
"#;

const BAD: &str = r#"
    [[targets]]
    type = "sms"
    name = "on-call"
    to = "0301234567"
    limmit = 60
    retry = { max_retries = 5, multiplier = 0.5 }
    circuit_breaker = { failure_threshold = 0 }

    [[targets]]
    type = "sms"
    limit = "long"

    [[targets]]
    type = "smss"
"#;

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = AdapterRegistry::with_built_in();
    registry.register("sms", |fields: &mut Fields<'_>| Sms {
        to: fields.required("to"),
        limit: fields.or("limit", 160),
    })?;

    let targets = Targets::start(&registry.read_toml(GOOD)?)?;
    let warning = json!({ "disk": "/var", "used_percent": 91 });
    let report = json!({ "disks": ["/", "/home", "/srv", "/tmp", "/var"], "hosts": ["a", "b", "c", "d"] });
    for envelope in [Envelope::json("DiskAlmostFull", warning), Envelope::json("DailyReport", report)] {
        println!("{}", envelope.message_type());
        for TargetOutcome { target, result, .. } in targets.deliver_each(&envelope).await {
            match result {
                Ok(_) => println!("  {target} has it"),
                Err(error) => println!("  {target} does not have it: {error}"),
            }
        }
    }

    // Whatever is wrong anywhere is said at once, and nothing is started.
    if let Err(error) = registry.read_toml(BAD) {
        println!("{error}");
    }
    Ok(())
}
