//! Kind `registration`: what a builder refuses.

use dispatch_actors::Engine;
use serde_json::Value;

use super::dispatcher::Alarm;
use super::table::{dispatchers, refused, routes};

pub(super) fn registration(input: &Value) -> Result<Value, String> {
    let alarm = Alarm::default();
    let builder = dispatchers(input)?
        .into_iter()
        .fold(Engine::builder(), |builder, dispatcher| builder.dispatcher(dispatcher.register(&alarm)))
        .routes(routes(input)?);
    Ok(match builder.validate() {
        Ok(()) => "ok".into(),
        Err(error) => refused(&error),
    })
}
