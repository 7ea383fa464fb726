//! The contract of outbound delivery.

mod adapter;
mod error;

pub use adapter::{Adapter, Health, HealthStatus, Receipt, SkippedDelivery};
pub use error::{DeliveryError, DeliveryErrorKind};
