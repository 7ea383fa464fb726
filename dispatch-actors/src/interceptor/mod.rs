//! Code around every dispatch: it may look, change, filter and refuse.

mod check;
mod dedup;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dispatch_core::Envelope;
use dispatch_core::dispatch::DispatchResult;

pub use check::PayloadCheck;
pub use dedup::Deduplicate;

/// What an interceptor decides about an envelope.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Filter it out: the result is `SKIPPED`, for this reason.
    Skip(String),
    /// Refuse it: the caller gets [`Refused::Rejected`](crate::Refused::Rejected) with this text.
    Reject(String),
}

/// Runs around every dispatch of an engine, on the engine's thread: it should be quick.
///
/// Interceptors run in the order in which they were registered before the dispatch, and in reverse after it.
/// One that panics before a dispatch rejects the envelope; one that panics after it is named in a log.
pub trait Interceptor: Send + 'static {
    /// Before the envelope is routed; its topic is set. It may be changed, but not its topic: routing uses the
    /// topic of the call.
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        let _ = envelope;
        Verdict::Continue
    }

    /// After every dispatcher has answered and everything is published.
    fn after(&mut self, result: &DispatchResult) {
        let _ = result;
    }
}

/// The interceptors of an engine.
#[derive(Default)]
pub(crate) struct Interceptors(pub(crate) Vec<Box<dyn Interceptor>>);

impl Interceptors {
    pub(crate) fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        for interceptor in &mut self.0 {
            match catch_unwind(AssertUnwindSafe(|| interceptor.before(envelope))) {
                Ok(Verdict::Continue) => {}
                Ok(decided) => return decided,
                Err(_) => return Verdict::Reject("an interceptor panicked".to_owned()),
            }
        }
        Verdict::Continue
    }

    pub(crate) fn after(&mut self, result: &DispatchResult) {
        for interceptor in self.0.iter_mut().rev() {
            if catch_unwind(AssertUnwindSafe(|| interceptor.after(result))).is_err() {
                tracing::error!(target: "dispatch", "an interceptor panicked after a dispatch; the result stands");
            }
        }
    }
}
