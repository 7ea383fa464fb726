//! The envelope: what travels through every part of the engine.

pub mod cloudevents;
mod extract;
mod fields;
mod model;
mod payload;
mod setters;
mod view;
mod wire;

pub use cloudevents::{CloudEvent, CloudEventError};
pub use extract::FromEnvelope;
pub use fields::{Headers, InvalidTraceParent, Metadata, TraceContext};
pub use model::{Envelope, Untyped};
pub use payload::{Payload, PayloadMismatch, PayloadNotJson, TypedPayload, short_type_name};
