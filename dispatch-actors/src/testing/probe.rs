use std::future::{Ready, ready};
use std::sync::mpsc;

use dispatch_core::{Context, Envelope};

/// Remembers what a dispatcher received.
///
/// The probe stays with the test; its [`handler`](Probe::handler) goes to the engine.
#[derive(Debug)]
pub struct Probe {
    sender: mpsc::Sender<(Envelope, Context)>,
    receiver: mpsc::Receiver<(Envelope, Context)>,
    seen: std::cell::RefCell<Vec<(Envelope, Context)>>,
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Probe {
    /// A probe that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, seen: std::cell::RefCell::default() }
    }

    /// A handler that succeeds without outputs and tells the probe; there may be several.
    pub fn handler(&self) -> impl FnMut(Envelope, Context) -> Ready<()> + Send + use<> {
        let sender = self.sender.clone();
        move |envelope, context| {
            // A test that has dropped its probe does not want to know.
            let _ = sender.send((envelope, context));
            ready(())
        }
    }

    /// Everything received so far, in order.
    pub fn received(&self) -> Vec<Envelope> {
        self.catch_up();
        self.seen.borrow().iter().map(|(envelope, _)| envelope.clone()).collect()
    }

    /// The contexts of everything received so far, in order.
    pub fn contexts(&self) -> Vec<Context> {
        self.catch_up();
        self.seen.borrow().iter().map(|(_, context)| context.clone()).collect()
    }

    fn catch_up(&self) {
        self.seen.borrow_mut().extend(self.receiver.try_iter());
    }
}
