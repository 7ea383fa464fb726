//! The proof of the engine: one file per topic, one test per behaviour.
//!
//! Tests run in virtual time on one thread unless threads are what they are about.

mod actors;
mod admission;
mod aggregation;
mod bad_input;
mod blocking;
mod conformance;
mod explain;
mod faults;
mod interceptors;
mod logs;
mod metrics;
mod observers;
mod outputs;
mod registration;
mod regressions;
mod reload;
mod reload_in_place;
mod rest;
mod routing;
mod shutdown;
mod threads;
mod turns;
mod typed;

use dispatch_core::{Category, DispatchResult, Route};

/// A topic of events.
const TOPIC: &str = "shop.order.events";

/// A route for every event.
fn to(dispatcher: &str) -> Route {
    Route::new(format!("to-{dispatcher}"), "**", Category::Event, dispatcher)
}

/// The dispatchers of a result.
fn ids(result: &DispatchResult) -> Vec<&str> {
    result.dispatcher_ids().map(dispatch_core::DispatcherId::as_str).collect()
}

/// The topics of the outputs of a result.
fn outputs(result: &DispatchResult) -> Vec<&str> {
    result.outputs().map(|output| output.topic().as_str()).collect()
}
