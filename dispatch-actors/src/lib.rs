//! The dispatch engine on actix.

mod admission;
mod aggregator;
mod clock;
mod collector;
pub mod dispatcher;
pub mod engine;
mod flight;
mod inbox;
pub mod interceptor;
pub mod observer;
mod router;
mod shard;
pub mod supervision;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod watchdog;

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
    pub use dispatch_core::{
        Category, Context, DispatchResult, DispatchStatus, Dispatcher, DispatcherError, DispatcherRegistry,
        EngineConfig, Envelope, IntoOutputs, NodeKind, Output, Outputs, Payload, Route, Topic,
    };

    pub use crate::{Deliver, Engine, Refused, on_command, on_event, on_intent};
}
