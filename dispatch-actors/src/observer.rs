//! Seeing everything that happens in an engine, in process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dispatch_core::dispatch::{DispatchResult, Leg};
use dispatch_core::{DispatcherId, Envelope, Topic};

use crate::engine::{ReloadReport, ShutdownReport};
use crate::guard::say;

/// Something that happened in an engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An envelope was handed to its dispatchers.
    Routed {
        /// The topic.
        topic: &'a Topic,
        /// The envelope.
        envelope: &'a Envelope,
        /// The dispatchers in rank order.
        legs: &'a [Leg],
    },
    /// A dispatch ended.
    Completed {
        /// Its result; a `route` call ends with the result that its caller does not see.
        result: &'a DispatchResult,
    },
    /// A dispatcher actor died and is started again.
    Restarting {
        /// The dispatcher.
        dispatcher_id: &'a DispatcherId,
        /// After this delay.
        delay: Duration,
    },
    /// A dispatcher actor died too often and stays down.
    Down {
        /// The dispatcher.
        dispatcher_id: &'a DispatcherId,
    },
    /// An interceptor rejected an envelope: there is no dispatch.
    Rejected {
        /// The topic.
        topic: &'a Topic,
        /// The envelope.
        envelope: &'a Envelope,
        /// Why, sanitised.
        reason: &'a str,
    },
    /// A blocking call took longer than `blocking_warn`.
    SlowBlocking {
        /// The dispatcher.
        dispatcher_id: &'a DispatcherId,
        /// How long it took.
        took: Duration,
    },
    /// A blocking call answered after its time-out; the answer was dropped.
    LateReply {
        /// The dispatcher.
        dispatcher_id: &'a DispatcherId,
        /// How long the call took.
        took: Duration,
    },
    /// The table was replaced.
    Reloaded {
        /// What became of the dispatchers.
        report: &'a ReloadReport,
    },
    /// The engine admits nothing any more and finishes what it has.
    Stopping {
        /// Dispatches that were admitted and not answered.
        in_flight: usize,
    },
    /// The engine has ended: the last event.
    Stopped {
        /// How it ended.
        report: &'a ShutdownReport,
    },
}

/// Sees every [`Event`] of an engine, on the engine's thread: it should be quick.
///
/// Envelopes that are refused because the engine is full are no events: they never reach its thread, which has enough to
/// do then. They are counted, in `overloaded_count`.
///
/// Any `FnMut(&Event<'_>) + Send` is an observer. An observer that panics is named in a log and asked again
/// the next time.
pub trait Observer: Send + 'static {
    /// Something happened.
    fn on_event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>) + Send + 'static> Observer for F {
    fn on_event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// The observers of an engine.
#[derive(Default)]
pub(crate) struct Observers(pub(crate) Vec<Box<dyn Observer>>);

impl Observers {
    pub(crate) fn notify(&mut self, event: &Event<'_>) {
        for observer in &mut self.0 {
            if catch_unwind(AssertUnwindSafe(|| observer.on_event(event))).is_err() {
                say(|| tracing::error!(target: "dispatch", "an observer panicked; the dispatch goes on"));
            }
        }
    }
}
