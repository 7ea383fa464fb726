//! The contract of outbound delivery.

mod adapter;
mod address;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dead_letter;
mod error;
mod event;
mod progress;
mod receipt;

pub use adapter::{Adapter, Health, HealthStatus};
pub use address::{Cidr, InvalidCidr, is_public, not_public};
pub use dead_letter::{DeadLetter, DeadLetterOrigin};
pub use error::{DeliveryError, DeliveryErrorKind};
pub use event::{DeliveryEvent, DeliveryLabels, DeliveryObserver};
pub use progress::Progress;
pub use receipt::{Answer, Receipt, SkippedDelivery};
