//! Kind `subscription`: a subscription in virtual time.

use std::time::Duration;

use dispatch_core::log::Offset;
use dispatch_core::subscription::{Exhausted, Guarantee, SubscriptionConfig, SubscriptionType};
use serde_json::{Map, Value, json};

use super::case::read;
use crate::simulation::{Published, Simulation};

pub(super) fn subscription(input: &Value) -> Result<Value, String> {
    let kind: SubscriptionType = read(&input["type"])?;
    let guarantee: Guarantee = read(&input["guarantee"])?;
    let window = input["window"].as_u64().unwrap_or(1);
    let window = u32::try_from(window).map_err(|_| format!("a window of {window}"))?;
    let config = SubscriptionConfig::new("case", "case.events").of_type(kind).with_guarantee(guarantee);
    let config = with_policy(config.with_window(window), &input["policy"])?;
    let mut simulation = Simulation::new(config, 0);
    for op in read::<Vec<Vec<Value>>>(&input["ops"])? {
        run(&mut simulation, &op)?;
    }
    Ok(seen(&simulation))
}

fn run(simulation: &mut Simulation, op: &[Value]) -> Result<(), String> {
    let text =
        |index: usize| op.get(index).and_then(Value::as_str).ok_or(format!("{op:?}: no name at {index}"));
    let number =
        |index: usize| op.get(index).and_then(Value::as_u64).ok_or(format!("{op:?}: no number at {index}"));
    match text(0)? {
        "pub" => {
            let key = op.get(2).and_then(Value::as_str).map(str::to_owned);
            let one = Published { key, ..Published::default() };
            let count = usize::try_from(number(1)?).map_err(|error| error.to_string())?;
            simulation.publish(vec![one; count]);
        }
        "add" => simulation.add(text(1)?),
        "remove" | "disconnect" => simulation.disconnect(text(1)?),
        "ack" => simulation.ack(text(1)?, Offset::new(number(2)?)),
        "nack" => {
            let delay = op.get(3).and_then(Value::as_u64).map(Duration::from_millis);
            simulation.nack(text(1)?, Offset::new(number(2)?), delay);
        }
        "advance" => simulation.advance(Duration::from_millis(number(1)?)),
        "restart" => simulation.restart(),
        other => return Err(format!("unknown op '{other}'")),
    }
    Ok(())
}

/// The retry policy, and what becomes of messages whose retries are used up.
fn with_policy(mut config: SubscriptionConfig, policy: &Value) -> Result<SubscriptionConfig, String> {
    let mut fields = match policy {
        Value::Null => return Ok(config),
        Value::String(_) => Map::from_iter([("exhausted".to_owned(), policy.clone())]),
        other => read(other)?,
    };
    if let Some(exhausted) = fields.remove("exhausted") {
        config.exhausted = Some(read::<Exhausted>(&exhausted)?);
    }
    if let Some(ms) = fields.remove("ack_timeout_ms") {
        config.ack_timeout = Duration::from_millis(read(&ms)?);
    }
    let Value::Object(mut retry) = serde_json::to_value(&config.retry).map_err(|error| error.to_string())?
    else {
        return Err("a retry policy that is no object".to_owned());
    };
    retry.extend(fields);
    config.retry = read(&Value::Object(retry))?;
    Ok(config)
}

fn seen(simulation: &Simulation) -> Value {
    let status = simulation.status();
    let counters = status.counters;
    let live = [counters.no_consumer, counters.full, counters.paused, counters.aside_full];
    let offsets = |offsets: &[Offset]| offsets.iter().map(|offset| offset.get()).collect::<Vec<_>>();
    let deliveries = simulation.deliveries.iter().map(|(name, offset)| json!([name, offset.get()]));
    json!({
        "deliveries": deliveries.collect::<Vec<_>>(),
        "cursor": simulation.cursor().map(Offset::get),
        "lag": status.lag(),
        "dropped": counters.dropped + live.iter().sum::<u64>(),
        "parked": offsets(&simulation.parked),
        "dead_lettered": offsets(&simulation.dead),
        "blocked": offsets(&simulation.blocked()),
        "refused": simulation.refused,
    })
}
