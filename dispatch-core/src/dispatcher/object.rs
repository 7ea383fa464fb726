use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Context, DispatcherError, NodeKind, Outputs};
use crate::envelope::Envelope;
use crate::topic::Category;

/// A dispatcher as an object that describes itself.
///
/// # Contract
/// - `handle` is called for every envelope that is routed to it, from one thread, several at once unless it was
///   registered with a concurrency of 1.
/// - It must not block: work that takes more than a few milliseconds belongs into a blocking dispatcher.
/// - A panic is caught and becomes the dispatcher's outcome. The future is dropped when its time is up.
///
/// ```
/// use dispatch_core::{Category, Context, Dispatcher, DispatcherError, Envelope, Outputs};
///
/// struct Audit;
///
/// #[async_trait::async_trait]
/// impl Dispatcher for Audit {
///     fn id(&self) -> &str { "audit" }
///     fn category(&self) -> Category { Category::Event }
///     async fn handle(&self, envelope: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
///         println!("{}", envelope.id());
///         Ok(Outputs::none())
///     }
/// }
/// ```
#[async_trait]
pub trait Dispatcher: Send + Sync + 'static {
    /// The id it is registered under: not blank, no white space, unique in its engine.
    fn id(&self) -> &str;

    /// The one category it takes.
    fn category(&self) -> Category;

    /// The message types it takes; `None` takes all. An empty set is refused at registration.
    fn message_types(&self) -> Option<BTreeSet<String>> {
        None
    }

    /// Its role; if given, the category must fit it.
    fn node_kind(&self) -> Option<NodeKind> {
        None
    }

    /// Handles one envelope.
    ///
    /// # Errors
    /// Whatever went wrong; it becomes this dispatcher's outcome and nobody else's.
    async fn handle(&self, envelope: Envelope, context: Context) -> Result<Outputs, DispatcherError>;
}

#[async_trait]
impl<D: Dispatcher + ?Sized> Dispatcher for Arc<D> {
    fn id(&self) -> &str {
        (**self).id()
    }

    fn category(&self) -> Category {
        (**self).category()
    }

    fn message_types(&self) -> Option<BTreeSet<String>> {
        (**self).message_types()
    }

    fn node_kind(&self) -> Option<NodeKind> {
        (**self).node_kind()
    }

    async fn handle(&self, envelope: Envelope, context: Context) -> Result<Outputs, DispatcherError> {
        (**self).handle(envelope, context).await
    }
}
