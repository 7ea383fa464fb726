//! A mailbox between actors of one arbiter.
//!
//! The pipeline of an engine lives on one thread. A message between two of its actors needs neither an atomic
//! nor an allocation of its own, which is most of what an actix mailbox costs; so on this one path an actor
//! reads an [`Inbox`] beside its actix mailbox. The rest is as with any mailbox: the sender knows nothing of
//! the receiver, messages arrive in the order they were sent, and what is sent to a dead actor comes back.
//!
//! - A message is in the queue, with its receiver, or back with its sender; never dropped in silence.
//! - A reader that has taken everything is woken by the next message, once.
//! - A sender may do what the reader would do, but only in the place of one that sleeps and has no message before it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

struct Shared<T> {
    queue: RefCell<Vec<T>>,
    /// Set while the reader sleeps.
    waker: Cell<Option<Waker>>,
    open: Cell<bool>,
}

impl<T> Shared<T> {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The sending end; a clone reaches the same inbox.
pub(crate) struct Outlet<T>(Rc<Shared<T>>);

/// The receiving end, owned by one actor.
pub(crate) struct Inbox<T>(Rc<Shared<T>>);

/// An inbox and the way into it.
pub(crate) fn inbox<T>() -> (Outlet<T>, Inbox<T>) {
    let shared =
        Rc::new(Shared { queue: RefCell::new(Vec::new()), waker: Cell::new(None), open: Cell::new(true) });
    (Outlet(Rc::clone(&shared)), Inbox(shared))
}

impl<T> Outlet<T> {
    /// Sends a message; it comes back if the reader is gone.
    #[inline]
    pub(crate) fn send(&self, message: T) -> Result<(), T> {
        let shared = &*self.0;
        if !shared.open.get() {
            return Err(message);
        }
        let waiting = {
            let mut queue = shared.queue.borrow_mut();
            queue.push(message);
            queue.len()
        };
        // Only the first message can find the reader asleep: it empties the queue before it sleeps.
        if waiting == 1 {
            shared.wake();
        }
        Ok(())
    }
}

impl<T> Outlet<T> {
    /// Does something in the place of a reader that sleeps and has no message before it, with its waker; `None` if
    /// there is no such reader. The work must not panic.
    pub(crate) fn in_place<R>(&self, work: impl FnOnce(&mut Context<'_>) -> R) -> Option<R> {
        let shared = &*self.0;
        if !shared.queue.borrow().is_empty() {
            return None;
        }
        let waker = shared.waker.take()?;
        let done = work(&mut Context::from_waker(&waker));
        if shared.queue.borrow().is_empty() {
            shared.waker.set(Some(waker));
        } else {
            // What was sent meanwhile found no waker.
            waker.wake();
        }
        Some(done)
    }
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Inbox<T> {
    /// Moves everything that waits into `batch`, which must be empty and whose buffer is reused, and asks to
    /// be woken for what comes next.
    pub(crate) fn take(&self, batch: &mut Vec<T>, cx: &Context<'_>) {
        self.drain(batch);
        let waker = match self.0.waker.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.0.waker.set(Some(waker));
    }

    /// Moves everything that waits into `batch`, which must be empty and whose buffer is reused.
    pub(crate) fn drain(&self, batch: &mut Vec<T>) {
        debug_assert!(batch.is_empty(), "a batch is taken when the last one is done");
        std::mem::swap(&mut *self.0.queue.borrow_mut(), batch);
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.0.open.set(false);
        // Outside the borrow: dropping a message may send another one.
        let left = std::mem::take(&mut *self.0.queue.borrow_mut());
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleeping_reader_is_woken_once() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let (outlet, inbox) = inbox();
        let mut batch = Vec::new();
        inbox.take(&mut batch, &cx);
        for n in 0..4 {
            assert_eq!(count.0.load(Ordering::Relaxed), usize::from(n > 0));
            outlet.send(n).unwrap();
        }
        inbox.take(&mut batch, &cx);
        assert_eq!(batch, [0, 1, 2, 3]);
        outlet.send(4).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_sender_takes_the_place_of_a_reader_that_has_nothing_before_it() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let (outlet, inbox) = inbox();
        let mut batch = Vec::new();
        assert_eq!(outlet.in_place(|_| ()), None, "it has not slept yet");
        inbox.take(&mut batch, &cx);
        assert_eq!(outlet.in_place(|cx| cx.waker().will_wake(&waker)), Some(true));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        outlet.send(1).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "it sleeps as before");
        assert_eq!(outlet.in_place(|_| ()), None, "a message is before it");
    }

    #[test]
    fn a_reader_is_woken_for_what_came_while_another_was_in_its_place() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&waker);
        let (outlet, inbox) = inbox();
        let mut batch = Vec::new();
        inbox.take(&mut batch, &cx);
        outlet.in_place(|_| outlet.send(1).unwrap()).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        inbox.take(&mut batch, &cx);
        assert_eq!(batch, [1]);
    }

    #[test]
    fn what_is_sent_to_a_dead_reader_comes_back() {
        let (outlet, inbox) = inbox();
        outlet.send(1).unwrap();
        drop(inbox);
        assert_eq!(outlet.send(2), Err(2));
    }
}
