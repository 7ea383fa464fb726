use std::fmt;
use std::sync::Arc;

use super::Dispatcher;
use crate::error::{ErrorCode, Problem};
use crate::topic::Category;

/// Dispatchers as objects, looked up by id, category and type before they are handed to an engine.
///
/// The order of registration is kept. Everything here happens before the engine is frozen; afterwards the set
/// changes by reload only.
#[derive(Default, Clone)]
pub struct DispatcherRegistry {
    entries: Vec<Arc<dyn Dispatcher>>,
}

impl DispatcherRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dispatcher.
    ///
    /// # Errors
    /// A problem with code `DUPLICATE_REGISTRATION` if its id is taken; the registry is unchanged.
    pub fn register(&mut self, dispatcher: impl Dispatcher) -> Result<(), Problem> {
        let id = dispatcher.id();
        if self.get(id).is_some() {
            return Err(Problem::new(
                ErrorCode::DuplicateRegistration,
                format!("dispatcher '{id}' is registered twice: give each dispatcher an id of its own"),
            ));
        }
        self.entries.push(Arc::new(dispatcher));
        Ok(())
    }

    /// Removes a dispatcher and returns it.
    pub fn unregister(&mut self, id: &str) -> Option<Arc<dyn Dispatcher>> {
        let position = self.entries.iter().position(|entry| entry.id() == id)?;
        Some(self.entries.remove(position))
    }

    /// The dispatcher of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Dispatcher>> {
        self.entries.iter().find(|entry| entry.id() == id)
    }

    /// Dispatchers of a category that take a message type, in the order of registration.
    pub fn find<'a>(
        &'a self,
        category: Category,
        message_type: &'a str,
    ) -> impl Iterator<Item = &'a Arc<dyn Dispatcher>> {
        self.entries.iter().filter(move |entry| {
            entry.category() == category
                && entry.message_types().is_none_or(|types| types.contains(message_type))
        })
    }

    /// All dispatchers in the order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Dispatcher>> {
        self.entries.iter()
    }

    /// Number of dispatchers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Debug for DispatcherRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|entry| Dispatcher::id(&**entry))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use async_trait::async_trait;

    use super::super::{Context, DispatcherError, Outputs};
    use super::*;
    use crate::envelope::Envelope;

    struct Named(&'static str, Option<&'static str>);

    #[async_trait]
    impl Dispatcher for Named {
        fn id(&self) -> &str {
            self.0
        }

        fn category(&self) -> Category {
            Category::Event
        }

        fn message_types(&self) -> Option<BTreeSet<String>> {
            self.1.map(|name| BTreeSet::from([name.to_owned()]))
        }

        async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
            Ok(Outputs::none())
        }
    }

    #[test]
    fn lookup_by_category_and_type_keeps_the_order() {
        let mut registry = DispatcherRegistry::new();
        registry.register(Named("b", None)).unwrap();
        registry.register(Named("a", Some("X"))).unwrap();
        let found =
            |kind: &str| registry.find(Category::Event, kind).map(|d| d.id().to_owned()).collect::<Vec<_>>();
        assert_eq!(found("X"), ["b", "a"]);
        assert_eq!(found("Y"), ["b"]);
        assert_eq!(registry.find(Category::Command, "X").count(), 0);
    }

    #[test]
    fn an_id_is_taken_until_it_is_unregistered() {
        let mut registry = DispatcherRegistry::new();
        registry.register(Named("a", None)).unwrap();
        assert_eq!(registry.register(Named("a", None)).unwrap_err().code(), ErrorCode::DuplicateRegistration);
        assert!(registry.unregister("a").is_some());
        assert!(registry.register(Named("a", None)).is_ok());
    }
}
