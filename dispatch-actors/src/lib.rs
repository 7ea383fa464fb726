//! The dispatch engine on actix: from a topic to one result, through supervised dispatchers.
//!
//! An [`Engine`] takes an envelope, finds the dispatchers that its routes name, runs them at the same time, folds
//! their outcomes into one result and publishes what they emit. It is called from any thread and any runtime.
//!
//! It is **not** a broker (envelopes live in memory), not a scheduler, and not a job queue; it does not retry. The
//! guide on [limits](guide::limits) says what to do instead.
//!
//! ```
//! use std::time::Duration;
//!
//! use dispatch_actors::prelude::*;
//!
//! #[actix::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let engine = Engine::builder()
//!         .name("shop")
//!         .dispatcher(on_event("invoice").run(|order: Envelope| async move {
//!             let order = order.raw_payload().to_json()?;
//!             Ok::<_, DispatcherError>(format!("billing.commands.invoice-{}", order["id"]))
//!         }))
//!         .dispatcher(on_event("report").timeout(Duration::from_secs(5)).run_blocking(|_: Envelope| ()))
//!         .route(Route::new("orders", "shop.order.**", Category::Event, "invoice").with_priority(10))
//!         .route(Route::new("everything", "**", Category::Event, "report"))
//!         .freeze()?;
//!     let order = Envelope::json("OrderPlaced", serde_json::json!({ "id": 7 }));
//!     let result = engine.dispatch("shop.order.events", order).await?;
//!     assert!(result.is_successful());
//!     assert_eq!(result.outputs().next().unwrap().topic().as_str(), "billing.commands.invoice-7");
//!     assert_eq!(engine.metrics().await?.dispatcher_execution_count, 2);
//!     Ok(())
//! }
//! ```
//!
//! # Concepts
//! | concept | what it is |
//! |---|---|
//! | [`EngineBuilder`] | collects dispatchers, routes and settings; checks everything when it is frozen |
//! | [`Engine`] | the handle of a frozen engine: dispatch, explain, reload, metrics, shutdown |
//! | [`on_event`], [`on_command`], [`on_intent`] | describe a dispatcher; finish with the code that handles envelopes |
//! | [`HandlerFn`], [`BlockingFn`] | async functions on the engine's thread, blocking functions on a pool |
//! | [`Deliver`] | the message that an actor handles to be a dispatcher |
//! | [`Refused`] | the engine did not take an envelope; what dispatchers do is in the result instead |
//! | [`Interceptor`], [`Observer`] | code around every dispatch; eyes on everything |
//! | [`Child`], [`DispatcherDown`], [`EngineActor`] | the supervision tree: look at it, be told, be part of a larger one |
//!
//! Envelopes, routes, results and the rest of the model are in `dispatch-core`; the [`prelude`] has what most
//! programs need. The [guides](guide) explain the whole, with examples.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `testing` | no | `testing`: an engine in virtual time, probes and scripted dispatchers, for your tests |
//!
//! # Guarantees
//! - Every dispatch that is admitted has exactly one result, whatever its dispatchers do.
//! - One dispatcher's failure, panic, slowness or death does not change the outcome of another. (A handler that
//!   blocks its thread delays the others; see the guide on [blocking](guide::blocking).)
//! - The same table and the same input choose the same dispatchers in the same order.
//! - A dispatch sees the table from before a reload or the one from after it.
//! - What is in flight is bounded; past the bound callers wait or are refused.
//! - A dispatch whose result was seen is in the next snapshot of the metrics.
//!
//! Panics are caught only if the program unwinds, which is the default: `panic = "abort"` is outside of this.
//!
//! Needs Rust 1.90.

mod admission;
mod aggregator;
pub mod bus;
mod clock;
mod collector;
pub mod dispatcher;
pub mod engine;
mod flight;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod inbox;
pub mod interceptor;
pub mod messenger;
pub mod observer;
mod router;
mod shard;
pub mod supervision;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod watchdog;

pub use dispatch_core::dispatcher::Context;
pub use dispatch_core::policy::RestartPolicy;
pub use dispatcher::{
    BlockingFn, Deliver, DispatcherBuilder, HandlerFn, Registration, on_command, on_event, on_intent,
};
pub use engine::{
    Engine, EngineBuilder, EngineHealth, IntoTopic, Refused, ReloadError, ReloadReport, ShutdownReport,
    StartError, TopicArg,
};
pub use interceptor::{Deduplicate, Interceptor, PayloadCheck, Verdict};
pub use observer::{Event, Observer};
pub use supervision::{
    Child, ChildKind, ChildState, DispatcherDown, EngineActor, GetEngine, RestartEngine, RestartStrategy,
};

/// What most programs need, in one line.
pub mod prelude {
    pub use dispatch_core::subscription::{Guarantee, SubscriptionConfig, SubscriptionType};
    pub use dispatch_core::{
        Category, DispatchResult, DispatchStatus, Dispatcher, DispatcherError, DispatcherRegistry,
        EngineConfig, Envelope, ErrorCode, IntoOutputs, NodeKind, Output, Outputs, Payload, Route, Topic,
    };

    pub use crate::bus::{Bus, Delivery, Subscription, Verdict};
    pub use crate::{
        Deliver, Engine, EngineHealth, Refused, Registration, StartError, on_command, on_event, on_intent,
    };
}
