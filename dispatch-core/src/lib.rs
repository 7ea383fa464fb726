//! The model and the rules of the dispatch engine, without a runtime.
//!
//! Topics and patterns, routes and the frozen table, envelopes, outcomes and results, policies: everything that
//! decides, as plain values that can be tested alone.
//!
//! It is **not** the engine: nothing in here has a thread, a runtime, a mailbox or does I/O. `dispatch-actors` runs
//! these rules on actix, and most programs use that crate and meet these types through it.
//!
//! ```
//! use dispatch_core::route::Scratch;
//! use dispatch_core::{Category, DispatcherSpec, Route, RouteTable, Topic};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dispatchers = vec![
//!     DispatcherSpec::new("audit", Category::Event),
//!     DispatcherSpec::new("invoice", Category::Event),
//! ];
//! let routes = vec![
//!     Route::new("everything", "**", Category::Event, "audit"),
//!     Route::new("orders", "shop.*.events", Category::Event, "invoice").with_priority(10),
//! ];
//! let table = RouteTable::build(dispatchers, routes)?; // or every problem at once
//!
//! let topic: Topic = "shop.order.events".parse()?;
//! let category = topic.category().ok_or("no category")?;
//! let plan = table.resolve(&topic, category, "OrderPlaced", &mut Scratch::default());
//! let chosen: Vec<_> = plan.legs.iter().map(|leg| leg.dispatcher_id.as_str()).collect();
//! assert_eq!(chosen, ["invoice", "audit"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Concepts
//! | concept | what it is |
//! |---|---|
//! | [`Topic`], [`TopicPattern`] | a name of segments, and what matches such names |
//! | [`Category`] | event, command or intent; a topic names it with one of its segments |
//! | [`Envelope`], [`Payload`] | what travels; the payload is shared, never copied |
//! | [`CloudEvent`] | the form in which envelopes meet other systems |
//! | [`Route`] | pattern, category, message type and priority, leading to a dispatcher |
//! | [`RouteTable`] | routes and dispatchers, validated and compiled; never changes |
//! | [`Matcher`] | one topic against many patterns |
//! | [`Dispatcher`], [`IntoOutputs`] | code that handles envelopes, and what it may return |
//! | [`accept`](dispatch::accept()), [`fold`](dispatch::fold()), [`outgoing`](dispatch::outgoing) | the steps of a dispatch: what is routed, what the answers come to, what is published |
//! | [`DispatchResult`], [`Outcome`] | what became of a dispatch, and of one dispatcher's part of it |
//! | [`Adapter`] | outbound delivery to one destination |
//! | [`log`], [`subscription`] | what was published, in order; who of the consumers gets it, and how often |
//! | [`messenger`] | background messages: where they go, and what is stored of them |
//! | [`queue`] | queues of background messages: leases, attempts, keys, order, and who failed for good |
//! | [`schedule`] | cron expressions in time zones: when something is due again |
//! | [`policy`] | retry, circuit breaker, rate limit, batch, restart, deadlines: state machines without a clock |
//! | [`Sanitizer`] | keeps secrets out of error texts |
//! | [`EngineConfig`] | routes, limits and time-outs as data, from code, TOML or JSON |
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `conformance` | no | `conformance` of `delivery`, `log` and `queue`: the suites that every [`Adapter`], [`TopicLog`](log::TopicLog) and [`MessageQueue`](queue::MessageQueue) passes, for dev-dependencies |
//!
//! # Guarantees
//! - The order of the dispatchers for an envelope depends on the table and the envelope alone.
//! - A table that is not valid does not exist; its error lists every problem, sorted.
//! - Matching does not backtrack: no set of patterns makes it exponential.
//! - A text that holds one of the sensitive patterns leaves the [`Sanitizer`] without any of its content.
//! - No `Debug` of an envelope shows a payload, or the value of a header.
//! - What depends on time is told the time; ids come from a generator that can be seeded. The exceptions are
//!   constructors that say so, such as [`Envelope::new`], which takes an id and the time from the system.
//!
//! Needs Rust 1.90.

pub mod config;
#[cfg(feature = "conformance")]
mod conformance;
pub mod delivery;
pub mod dispatch;
pub mod dispatcher;
pub mod envelope;
pub mod error;
pub mod ids;
pub mod log;
pub mod matcher;
pub mod messenger;
pub mod policy;
pub mod queue;
pub mod redact;
pub mod route;
pub mod schedule;
pub mod subscription;
pub mod time;
pub mod topic;

pub use config::{ConfigError, EngineConfig, PublishTo};
pub use delivery::{
    Adapter, Answer, DeadLetter, DeadLetterOrigin, DeliveryError, DeliveryErrorKind, DeliveryEvent,
    DeliveryLabels, DeliveryObserver, Health, HealthStatus, Receipt,
};
pub use dispatch::{DispatchResult, DispatchStatus, Outcome};
pub use dispatcher::{
    Context, Dispatcher, DispatcherError, DispatcherRegistry, IntoOutput, IntoOutputs, NodeKind, Output,
    Outputs,
};
pub use envelope::{
    CloudEvent, CloudEventError, Envelope, Headers, Metadata, Payload, PayloadMismatch, PayloadNotJson,
    TraceContext,
};
pub use uuid;

pub use error::{ErrorCode, Problem, RegistrationError};
pub use ids::{DispatcherId, MessageType, RouteId, SpanId, TraceId};
pub use matcher::{Matcher, MatcherBuilder, TopicCache};
pub use redact::Sanitizer;
pub use route::{DispatcherSpec, Explanation, Route, RouteTable};
pub use time::{Clock, SystemClock};
pub use topic::{Category, PatternError, Topic, TopicError, TopicPattern};
