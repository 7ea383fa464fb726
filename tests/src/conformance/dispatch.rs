//! Kind `dispatch`: results and metrics of a real engine.
//!
//! Time is virtual, so that a dispatcher may sleep for a minute; only where a thread really sleeps is it real.

use std::time::Duration;

use dispatch_actors::{Engine, EngineBuilder};
use dispatch_core::{Category, Envelope, Payload};
use serde::Deserialize;
use serde_json::{Value, json};

use super::case::read;
use super::dispatcher::Alarm;
use super::table::{Mode, dispatchers, refused, routes};
use crate::support;

/// One dispatch of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dispatch {
    topic: String,
    #[serde(default)]
    message_type: Option<String>,
    #[serde(default)]
    category: Option<Category>,
}

pub(super) fn dispatch(input: &Value) -> Result<Value, String> {
    let (dispatchers, routes) = (dispatchers(input)?, routes(input)?);
    let dispatches: Vec<Dispatch> = read(&input["dispatches"])?;
    let timeout: Option<u64> = read(&input["timeout_ms"])?;
    let threads_sleep = dispatchers
        .iter()
        .any(|dispatcher| dispatcher.mode == Mode::Blocking && dispatcher.behavior.sleeps());
    let alarm = Alarm::default();
    let builder = dispatchers
        .into_iter()
        .fold(support::builder(), |builder, dispatcher| builder.dispatcher(dispatcher.register(&alarm)))
        .routes(routes)
        .configure(|config| {
            if let Some(timeout) = timeout {
                config.timeout = Duration::from_millis(timeout);
            }
        });
    let run = async {
        let answer = run(builder, dispatches).await;
        alarm.ring();
        answer
    };
    if threads_sleep { support::in_real_time(run) } else { support::paused(run) }
}

async fn run(builder: EngineBuilder, dispatches: Vec<Dispatch>) -> Result<Value, String> {
    let engine = match builder.freeze() {
        Ok(engine) => engine,
        Err(error) => return error.registration().map(refused).ok_or_else(|| error.to_string()),
    };
    let mut results = Vec::with_capacity(dispatches.len());
    for dispatch in dispatches {
        results.push(one(&engine, dispatch).await?);
    }
    let metrics = engine.metrics().await.map_err(|error| error.to_string())?;
    Ok(json!({"results": results, "metrics": metrics}))
}

async fn one(engine: &Engine, dispatch: Dispatch) -> Result<Value, String> {
    let mut envelope =
        Envelope::new(Payload::Empty).with_message_type(dispatch.message_type.unwrap_or_default());
    if let Some(category) = dispatch.category {
        envelope = envelope.with_category(category);
    }
    Ok(match engine.dispatch(dispatch.topic, envelope).await {
        Ok(result) => json!(result),
        Err(refused) => json!({"error": refused.code()}),
    })
}
