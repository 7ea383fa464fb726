//! `noop`: takes everything and keeps nothing but the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::{Envelope, Problem};
use serde::{Deserialize, Serialize};

use crate::config::Fields;

/// The options of a [`NoopAdapter`]: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoopOptions {}

impl NoopOptions {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Reads it from a configuration.
    pub fn read(_: &mut Fields<'_>) -> Self {
        Self {}
    }
}

/// Takes everything and keeps nothing but the count; for tests, measurements and destinations that are switched off.
///
/// A clone counts in the same place.
///
/// ```
/// use dispatch_adapters::NoopAdapter;
/// use dispatch_adapters::model::{Adapter, Envelope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nowhere = NoopAdapter::new();
/// nowhere.deliver(&Envelope::empty("Hello")).await?;
/// assert_eq!(nowhere.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct NoopAdapter {
    count: Arc<AtomicU64>,
}

impl NoopAdapter {
    /// An adapter that has taken nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Envelopes taken so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Adapter for NoopAdapter {
    fn name(&self) -> &str {
        "noop"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Receipt::taken())
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.count.fetch_add(envelopes.len() as u64, Ordering::Relaxed);
        envelopes.iter().map(|_| Ok(Receipt::taken())).collect()
    }

    async fn health(&self) -> Health {
        Health { status: HealthStatus::Healthy, ..Health::default() }
    }
}
