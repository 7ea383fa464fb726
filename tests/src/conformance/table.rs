//! Dispatchers and routes as cases describe them.

use dispatch_core::error::RegistrationError;
use dispatch_core::{Category, NodeKind, Route};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::dispatcher::Behavior;

/// A dispatcher of a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dispatcher {
    pub(super) id: String,
    #[serde(default = "event")]
    pub(super) category: Category,
    #[serde(default)]
    pub(super) message_types: Option<Vec<String>>,
    #[serde(default)]
    pub(super) node_kind: Option<NodeKind>,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) behavior: Behavior,
}

const fn event() -> Category {
    Category::Event
}

/// The form in which a dispatcher is registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    #[default]
    Async,
    Blocking,
    Actor,
}

/// What routes of cases may leave out.
const ROUTE_DEFAULTS: [(&str, &str); 2] = [("topic_pattern", "**"), ("message_category", "event")];

/// The routes of a case, in the product's own form once the defaults of cases are filled in.
pub(super) fn routes(input: &Value) -> Result<Vec<Route>, String> {
    let listed: Vec<Map<String, Value>> = super::case::read(&input["routes"])?;
    let with_defaults = |mut route: Map<String, Value>| {
        for (key, value) in ROUTE_DEFAULTS {
            route.entry(key).or_insert_with(|| value.into());
        }
        Route::deserialize(Value::Object(route)).map_err(|error| error.to_string())
    };
    listed.into_iter().map(with_defaults).collect()
}

/// The dispatchers of a case.
pub(super) fn dispatchers(input: &Value) -> Result<Vec<Dispatcher>, String> {
    super::case::read(&input["dispatchers"])
}

/// A refused registration in the form of cases: the one code, or all of them sorted.
pub(super) fn refused(error: &RegistrationError) -> Value {
    let mut codes: Vec<_> = error.problems().iter().map(|problem| problem.code().as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    match *codes {
        [code] => json!({"error": code}),
        _ => json!({"errors": codes}),
    }
}
