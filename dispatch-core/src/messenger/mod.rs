//! Background messages: what a message is, where it goes, and what is stored of it.
//!
//! ```text
//! Message, DispatchOptions ─► Routing::plan ─► QueuedMessage for each transport
//!                                ▲
//!                       MessengerConfig::check
//! ```
//! - A [`Message`] has a type, a payload that is a JSON object, and metadata. [`DispatchOptions`] say how it is sent.
//! - A [`MessengerConfig`] is data, from code, TOML or JSON. [`Routing`] is one that was checked: every problem is named at
//!   once, and nothing that was not checked routes anything.
//! - A configuration may come from several places: [`ConfigLayers`] puts a [`Profile`], files and variables of the
//!   environment over each other.
//! - Transports: those of the options, else those of the type's route, else that of the priority's tier
//!   ([`PriorityTiers`]), else the default one. A message goes to all of
//!   them. Queue and priority: those of the options, else of the transport, else the general ones.
//! - What could be stored and not be read back is refused: times after the year 9999, and payloads that are nested too
//!   deep.
//! - No text of an error holds a key or a payload.

mod carried;
mod config;
mod error;
mod judge;
mod key;
mod layers;
mod message;
mod name;
mod nesting;
mod options;
mod profile;
mod queued;
mod routing;
mod schedule;
mod staff;
#[cfg(test)]
mod tests;
mod tiers;
mod vars;
mod worker;

pub use carried::Carried;
pub use config::{Idempotency, MessengerConfig, TransportConfig};
pub use error::{MessengerError, MessengerErrorCode};
pub use judge::Judgement;
pub use key::IdempotencyKey;
pub use layers::ConfigLayers;
pub use message::Message;
pub use name::{MessageType, Name, Priority};
pub use options::{DispatchOptions, Duplicates};
pub use profile::Profile;
pub use queued::QueuedMessage;
pub use routing::{Placement, Rates, Routing};
pub use schedule::{Missed, Schedule};
pub use tiers::PriorityTiers;
pub use worker::{Step as WorkerStep, StopReason, WorkerConfig, WorkerState};
