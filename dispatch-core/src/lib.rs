//! The model and the rules of the dispatch engine, without a runtime.

pub mod config;
pub mod delivery;
pub mod dispatch;
pub mod dispatcher;
pub mod envelope;
pub mod error;
pub mod ids;
pub mod matcher;
pub mod policy;
pub mod redact;
pub mod route;
pub mod time;
pub mod topic;

pub use config::{ConfigError, EngineConfig, PublishTo};
pub use delivery::{Adapter, DeliveryError, DeliveryErrorKind, Health, HealthStatus, Receipt};
pub use dispatch::{DispatchResult, DispatchStatus, Outcome};
pub use dispatcher::{
    Context, Dispatcher, DispatcherError, DispatcherRegistry, IntoOutput, IntoOutputs, NodeKind, Output,
    Outputs,
};
pub use envelope::{Envelope, Headers, Metadata, Payload, PayloadMismatch, PayloadNotJson, TraceContext};
pub use error::{ErrorCode, Problem, RegistrationError};
pub use ids::{DispatcherId, MessageType, RouteId, SpanId, TraceId};
pub use matcher::{Matcher, MatcherBuilder, TopicCache};
pub use redact::Sanitizer;
pub use route::{DispatcherSpec, Explanation, Route, RouteTable};
pub use time::{Clock, SystemClock};
pub use topic::{Category, PatternError, Topic, TopicError, TopicPattern};
