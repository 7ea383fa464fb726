//! Kind `choose`: which dispatchers run, in which order.

use dispatch_core::route::{DispatcherSpec, RouteTable, Scratch};
use dispatch_core::{Envelope, Payload, Topic};
use serde_json::{Value, json};

use super::case::text;
use super::table::{Dispatcher, dispatchers, refused, routes};

pub(super) fn choose(input: &Value) -> Result<Value, String> {
    let specs = dispatchers(input)?.into_iter().map(spec).collect();
    let table = match RouteTable::build(specs, routes(input)?) {
        Ok(table) => table,
        Err(error) => return Ok(refused(&error)),
    };
    let Ok(topic) = Topic::new(text(input, "topic")?) else { return Ok(json!([])) };
    let Some(category) = topic.category() else { return Ok(json!([])) };
    let envelope =
        Envelope::new(Payload::Empty).with_message_type(input["message_type"].as_str().unwrap_or_default());
    let message_type = envelope.message_type();
    let plan = table.resolve(&topic, category, message_type.as_str(), &mut Scratch::default());
    Ok(plan.legs.iter().map(|leg| leg.dispatcher_id.as_str()).collect())
}

fn spec(dispatcher: Dispatcher) -> DispatcherSpec {
    let mut spec = DispatcherSpec::new(dispatcher.id, dispatcher.category);
    spec.message_types = dispatcher.message_types.map(|types| types.into_iter().collect());
    spec.node_kind = dispatcher.node_kind;
    spec
}
