//! Kinds `messenger_route` and `envelope`.

use std::time::SystemTime;

use dispatch_core::messenger::{
    DispatchOptions, Message, MessengerConfig, MessengerError, Placement, Routing,
};
use dispatch_core::uuid::Uuid;
use serde_json::{Value, json};

use super::case::read;

pub(super) fn route(input: &Value) -> Result<Value, String> {
    let placed =
        prepare(input).and_then(|(routing, message, options)| routing.place(&message.message_type, &options));
    Ok(match placed {
        Ok(places) => {
            let each = |read: fn(&Placement) -> Value| same(places.iter().map(read).collect());
            json!({
                "transports": places.iter().map(|place| &place.transport).collect::<Vec<_>>(),
                "queue": each(|place| json!(place.queue)),
                "priority": each(|place| json!(place.priority)),
            })
        }
        Err(error) => refused(&error),
    })
}

pub(super) fn envelope(input: &Value) -> Result<Value, String> {
    #[derive(serde::Deserialize)]
    struct Time(#[serde(with = "dispatch_core::time::rfc3339")] SystemTime);

    let Time(now) = read(&input["now"])?;
    let planned = prepare(input)
        .and_then(|(routing, message, options)| routing.plan(&message, &options, now, Uuid::now_v7));
    Ok(match planned {
        Ok(mut queued) if queued.len() == 1 => read(&json!(queued.remove(0)))?,
        Ok(queued) => json!(queued),
        Err(error) => refused(&error),
    })
}

fn prepare(input: &Value) -> Result<(Routing, Message, DispatchOptions), MessengerError> {
    let config = MessengerConfig::from_json(&input["config"].to_string())?;
    let routing = config.check()?;
    Ok((routing, Message::from_value(&input["message"])?, DispatchOptions::from_value(&input["options"])?))
}

/// One value if all are the same, else one for each transport.
fn same(values: Vec<Value>) -> Value {
    match values.as_slice() {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => first.clone(),
        _ => values.into(),
    }
}

fn refused(error: &MessengerError) -> Value {
    json!({"error": error.code()})
}
