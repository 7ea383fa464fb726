//! Kind `cron_next`.

use std::time::SystemTime;

use dispatch_core::schedule::{Cron, Zone};
use serde_json::{Value, json};

use super::case::{read, text};

pub(super) fn cron_next(input: &Value) -> Result<Value, String> {
    #[derive(serde::Deserialize)]
    struct Time(#[serde(with = "dispatch_core::time::rfc3339")] SystemTime);

    let refused = |error: String| Ok(json!({ "error": error }));
    let cron: Cron = match text(input, "expr")?.parse() {
        Ok(cron) => cron,
        Err(error) => return refused(error.to_string()),
    };
    let zone: Zone = match text(input, "tz")?.parse() {
        Ok(zone) => zone,
        Err(error) => return refused(error.to_string()),
    };
    let Time(mut after) = read(&input["after"])?;
    let mut next = || {
        after = cron.next_after(after, &zone).ok_or("never again")?;
        Ok(Value::from(zone.write(after)))
    };
    match input["n"].as_u64() {
        None => next(),
        Some(count) => (0..count).map(|_| next()).collect(),
    }
}
