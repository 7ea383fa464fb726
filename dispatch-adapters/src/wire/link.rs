use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dispatch_core::delivery::DeliveryError;

/// A connection that is made when it is needed, shared, and made anew after it broke.
///
/// - There is one attempt to connect at a time; whoever waits for it gets the same connection.
/// - An attempt that is dropped leaves nothing behind.
/// - Forgetting a connection waits for nobody.
pub(crate) struct Link<C> {
    current: Mutex<Option<Arc<C>>>,
    connecting: tokio::sync::Mutex<()>,
}

impl<C> Default for Link<C> {
    fn default() -> Self {
        Self { current: Mutex::new(None), connecting: tokio::sync::Mutex::new(()) }
    }
}

impl<C> Link<C> {
    /// The connection, if it is alive, or a new one.
    pub(crate) async fn get<F>(
        &self,
        alive: impl Fn(&C) -> bool,
        connect: impl FnOnce() -> F,
    ) -> Result<Arc<C>, DeliveryError>
    where
        F: Future<Output = Result<C, DeliveryError>>,
    {
        if let Some(found) = self.found(&alive) {
            return Ok(found);
        }
        let _alone = self.connecting.lock().await;
        // Whoever was here before may have made it.
        if let Some(found) = self.found(&alive) {
            return Ok(found);
        }
        let made = Arc::new(connect().await?);
        let broken = self.current().replace(Arc::clone(&made));
        // Not under the lock: closing a connection may do work.
        drop(broken);
        Ok(made)
    }

    /// Forgets a connection that broke, unless there is another one already.
    pub(crate) fn discard(&self, broken: &Arc<C>) {
        let mut current = self.current();
        let forgotten = if current.as_ref().is_some_and(|found| Arc::ptr_eq(found, broken)) {
            current.take()
        } else {
            None
        };
        drop(current);
        drop(forgotten);
    }

    /// Forgets the connection, whatever its state.
    #[cfg(feature = "jetstream")]
    pub(crate) fn forget(&self) {
        let forgotten = self.current().take();
        drop(forgotten);
    }

    fn found(&self, alive: impl Fn(&C) -> bool) -> Option<Arc<C>> {
        self.current().as_ref().filter(|found| alive(found)).map(Arc::clone)
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<C>>> {
        // Nothing is half done when a holder panics.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Counter {
        /// A connection that knows its number, and whether it is alive.
        async fn connect(&self) -> Result<(usize, AtomicBool), DeliveryError> {
            tokio::task::yield_now().await;
            Ok((self.0.fetch_add(1, Ordering::SeqCst), AtomicBool::new(true)))
        }
    }

    #[tokio::test]
    async fn everybody_waits_for_one_connection_and_shares_it() {
        let (link, counter) = (Link::default(), Counter::default());
        let get = || {
            link.get(|(_, alive): &(usize, AtomicBool)| alive.load(Ordering::SeqCst), || counter.connect())
        };
        let (a, b, c) = tokio::join!(get(), get(), get());
        let all = [a.unwrap(), b.unwrap(), c.unwrap()];
        assert!(all.iter().all(|connection| connection.0 == 0));

        all[0].1.store(false, Ordering::SeqCst);
        let second = get().await.unwrap();
        assert_eq!(second.0, 1, "a dead one is replaced");
        link.discard(&all[0]);
        assert_eq!(get().await.unwrap().0, 1, "only the one that broke is forgotten");
        link.discard(&second);
        assert_eq!(get().await.unwrap().0, 2);
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_keeps_nobody_from_the_next() {
        let (link, counter) = (Link::default(), Counter::default());
        let hanging = link.get(|_: &(usize, AtomicBool)| true, std::future::pending);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), hanging).await.is_err());
        let failing = link.get(|_| true, || async { Err(DeliveryError::retry("away")) });
        assert!(failing.await.is_err());
        assert!(link.get(|_| true, || counter.connect()).await.is_ok());
    }
}
