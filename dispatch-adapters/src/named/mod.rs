//! `named`: delivers to whatever stands under a name at that moment.
//!
//! - The names are an instance that is handed in; there is no global registry.
//! - The name is looked up for every delivery: what is registered anew, after a restart say, gets the next one.
//! - Nothing under the name is an error, never silence.

mod adapter;
mod options;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dispatch_core::delivery::Adapter;

pub use adapter::NamedAdapter;
pub use options::NamedOptions;

/// Finds out what stands under a name.
pub trait Resolver: Send + Sync + 'static {
    /// What stands under the name now.
    fn resolve(&self, name: &str) -> Option<Arc<dyn Adapter>>;

    /// The names there are, for errors; none if that cannot be said.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<R: Resolver + ?Sized> Resolver for Arc<R> {
    fn resolve(&self, name: &str) -> Option<Arc<dyn Adapter>> {
        (**self).resolve(name)
    }

    fn names(&self) -> Vec<String> {
        (**self).names()
    }
}

/// Adapters under names, which may change at any time. A clone is the same instance.
///
/// Looking a name up takes no lock: the table is replaced whole when something is registered.
///
/// ```
/// use dispatch_adapters::named::{NamedAdapter, NamedAdapters, NamedOptions};
/// use dispatch_adapters::NoopAdapter;
/// use dispatch_adapters::model::{Adapter, Envelope};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let names = NamedAdapters::default();
/// let billing = NamedAdapter::new(NamedOptions::to("billing"), names.clone());
/// assert!(billing.deliver(&Envelope::empty("Hello")).await.is_err());
///
/// let target = NoopAdapter::new();
/// names.register("billing", target.clone());
/// billing.deliver(&Envelope::empty("Hello")).await?;
/// assert_eq!(target.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct NamedAdapters {
    table: Arc<ArcSwap<BTreeMap<String, Arc<dyn Adapter>>>>,
}

impl NamedAdapters {
    /// Nothing under any name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an adapter under a name; what stood there before.
    ///
    /// An adapter that leads back to its own name would never come to an end.
    pub fn register(&self, name: impl Into<String>, adapter: impl Adapter) -> Option<Arc<dyn Adapter>> {
        let (name, adapter): (String, Arc<dyn Adapter>) = (name.into(), Arc::new(adapter));
        let before = self.table.rcu(|table| {
            let mut table = BTreeMap::clone(table);
            table.insert(name.clone(), Arc::clone(&adapter));
            table
        });
        before.get(&name).cloned()
    }

    /// Takes away what stands under a name.
    pub fn remove(&self, name: &str) -> Option<Arc<dyn Adapter>> {
        let before = self.table.rcu(|table| {
            let mut table = BTreeMap::clone(table);
            table.remove(name);
            table
        });
        before.get(name).cloned()
    }
}

impl Resolver for NamedAdapters {
    fn resolve(&self, name: &str) -> Option<Arc<dyn Adapter>> {
        self.table.load().get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.table.load().keys().cloned().collect()
    }
}

impl fmt::Debug for NamedAdapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table.load().keys()).finish()
    }
}
