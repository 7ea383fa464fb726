use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Progress, Receipt};
use dispatch_core::{Envelope, Problem};

use super::{NamedOptions, Resolver};

/// Delivers to whatever stands under a name at that moment.
///
/// # Errors
/// Retry if nothing stands under the name, since a restart may be under way; the text lists the names there are.
/// Everything else is the error of what stands there.
pub struct NamedAdapter {
    name: String,
    options: NamedOptions,
    resolver: Box<dyn Resolver>,
}

impl NamedAdapter {
    /// Delivers to a name, which this resolver knows: [`NamedAdapters`](super::NamedAdapters), or one of your own.
    pub fn new(options: NamedOptions, resolver: impl Resolver) -> Self {
        Self { name: format!("named:{}", options.to), options, resolver: Box::new(resolver) }
    }

    fn resolve(&self) -> Result<Arc<dyn Adapter>, DeliveryError> {
        self.resolver.resolve(&self.options.to).ok_or_else(|| {
            let names = self.resolver.names();
            let known = if names.is_empty() { "no names are known".to_owned() } else { names.join(", ") };
            let wanted = &self.options.to;
            DeliveryError::retry(format!(
                "nothing is registered as '{wanted}': register it, or use one of: {known}"
            ))
        })
    }
}

#[async_trait]
impl Adapter for NamedAdapter {
    fn name(&self) -> &str {
        &self.name
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let problems = self.options.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// That of what stands there now.
    fn time_for(&self, limit: Duration) -> Duration {
        self.resolver.resolve(&self.options.to).map_or(limit, |adapter| adapter.time_for(limit))
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.resolve()?.deliver(envelope).await
    }

    /// What stands there may be another one than last time; what the last one has taken stays taken.
    async fn deliver_rest(&self, envelope: &Envelope, progress: &Progress) -> Result<Receipt, DeliveryError> {
        self.resolve()?.deliver_rest(envelope, progress).await
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        match self.resolve() {
            Ok(adapter) => adapter.deliver_batch(envelopes).await,
            Err(error) => envelopes.iter().map(|_| Err(error.repeat())).collect(),
        }
    }

    async fn health(&self) -> Health {
        match self.resolve() {
            Ok(adapter) => adapter.health().await,
            Err(_) => Health { status: HealthStatus::Unhealthy, ..Health::default() },
        }
    }
}

impl fmt::Debug for NamedAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
