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
/// Interceptors are layers: they run in the order in which they were registered before the dispatch, and in reverse
/// after it. `after` runs for those whose `before` ran, and for no others:
///
/// | the envelope | `before` | `after` |
/// |---|---|---|
/// | is routed, or finds no dispatcher | all | all |
/// | has an invalid topic | none | none |
/// | is skipped by one of them | those up to that one | the same, that one first |
/// | is rejected by one of them | those up to that one | none: there is no result |
///
/// One that panics before a dispatch rejects the envelope; one that panics after it is named in a log.
pub trait Interceptor: Send + 'static {
    /// Before the envelope is routed; its topic is set. It may be changed, but not its topic: routing uses the
    /// topic of the call.
    fn before(&mut self, envelope: &mut Envelope) -> Verdict {
        let _ = envelope;
        Verdict::Continue
    }

    /// After every dispatcher has answered and everything is published, if `before` ran for this dispatch.
    fn after(&mut self, result: &DispatchResult) {
        let _ = result;
    }
}

/// The interceptors of an engine.
#[derive(Default)]
pub(crate) struct Interceptors(pub(crate) Vec<Box<dyn Interceptor>>);

impl Interceptors {
    /// The verdict, and how many interceptors have run.
    pub(crate) fn before(&mut self, envelope: &mut Envelope) -> (Verdict, usize) {
        for (ran, interceptor) in (1..).zip(&mut self.0) {
            match catch_unwind(AssertUnwindSafe(|| interceptor.before(envelope))) {
                Ok(Verdict::Continue) => {}
                Ok(decided) => return (decided, ran),
                Err(_) => return (Verdict::Reject("an interceptor panicked".to_owned()), ran),
            }
        }
        (Verdict::Continue, self.0.len())
    }

    /// After a dispatch that all have let pass.
    pub(crate) fn after(&mut self, result: &DispatchResult) {
        self.after_first(self.0.len(), result);
    }

    /// After a dispatch that the first `ran` have seen.
    pub(crate) fn after_first(&mut self, ran: usize, result: &DispatchResult) {
        for interceptor in self.0.iter_mut().take(ran).rev() {
            if catch_unwind(AssertUnwindSafe(|| interceptor.after(result))).is_err() {
                tracing::error!(target: "dispatch", "an interceptor panicked after a dispatch; the result stands");
            }
        }
    }
}
