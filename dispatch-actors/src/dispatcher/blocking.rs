//! Blocking functions as dispatchers.
//!
//! - A function runs on a thread of a bounded pool, never on an arbiter.
//! - At most `cap` of its calls run or wait; beyond that the outcome is `dispatcher saturated`.
//! - A call that takes longer than the limit is named in one warning and counted.
//! - A call whose time is up before a thread was free is not begun. One that runs cannot be stopped: its thread
//!   stays taken until it returns, and its answer is dropped and counted.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::Recipient;
use dispatch_core::dispatcher::{Context, IntoOutputs};
use dispatch_core::envelope::FromEnvelope;
use dispatch_core::{DispatcherError, DispatcherId, Envelope};
use dispatch_metrics::{DispatcherEvent, DispatcherSlot};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{Semaphore, oneshot};

use super::handler::{Answer, Call, Fault, Handler};
use crate::collector::Tell;

/// A function that may block and can be a dispatcher: the arguments and results of
/// [`HandlerFn`](super::HandlerFn), without `async`. Calls run on several threads at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run as a blocking dispatcher",
    label = "not a function of an envelope",
    note = "write `|envelope: Envelope| {{ .. }}`, without `async`; the argument is `Envelope` or `Envelope<T>` where `T: DeserializeOwned`, a second one may be `dispatch_actors::Context`",
    note = "it returns what is to be emitted: `()`, a topic as text, an `Envelope` with a topic, a `Vec` or `Option` of these, or a `Result` of these whose error is a `std::error::Error` or a `DispatcherError`"
)]
pub trait BlockingFn<Args>: Send + Sync + 'static {
    /// The first argument.
    type Argument: FromEnvelope;
    /// What the function returns.
    type Output: IntoOutputs;
    /// Whether it wants the context.
    const WANTS_CONTEXT: bool;

    /// Calls the function; the context is there if it is wanted.
    fn invoke(&self, argument: Self::Argument, context: Option<Context>) -> Option<Self::Output>;
}

impl<F, A, O> BlockingFn<(A,)> for F
where
    F: Fn(A) -> O + Send + Sync + 'static,
    A: FromEnvelope,
    O: IntoOutputs,
{
    type Argument = A;
    type Output = O;
    const WANTS_CONTEXT: bool = false;

    fn invoke(&self, argument: A, _: Option<Context>) -> Option<O> {
        Some(self(argument))
    }
}

impl<F, A, O> BlockingFn<(A, Context)> for F
where
    F: Fn(A, Context) -> O + Send + Sync + 'static,
    A: FromEnvelope,
    O: IntoOutputs,
{
    type Argument = A;
    type Output = O;
    const WANTS_CONTEXT: bool = true;

    fn invoke(&self, argument: A, context: Option<Context>) -> Option<O> {
        Some(self(argument, context?))
    }
}

/// The blocking pools of a shard: how many threads each may use.
pub(crate) struct Pools {
    default: Arc<Semaphore>,
    named: BTreeMap<String, Arc<Semaphore>>,
}

impl Pools {
    pub(crate) fn new(threads: usize, named: &BTreeMap<String, usize>) -> Self {
        let pool = |threads: usize| Arc::new(Semaphore::new(threads.min(Semaphore::MAX_PERMITS)));
        Self {
            default: pool(threads),
            named: named.iter().map(|(name, threads)| (name.clone(), pool(*threads))).collect(),
        }
    }

    /// The pool of a name; names are checked when the engine is frozen.
    pub(crate) fn get(&self, name: Option<&str>) -> Arc<Semaphore> {
        let named = name.and_then(|name| self.named.get(name));
        Arc::clone(named.unwrap_or(&self.default))
    }
}

pub(crate) struct BlockingHandler<F> {
    function: Arc<F>,
    pool: Arc<Semaphore>,
    cap: usize,
    under_way: Arc<AtomicUsize>,
    watch: Arc<Watch>,
}

/// What a thread needs to report on a call.
struct Watch {
    id: DispatcherId,
    slot: DispatcherSlot,
    in_use: Arc<()>,
    warn: Duration,
    collector: Recipient<Tell>,
    subscriber: Option<tracing::Dispatch>,
}

/// Counts a call as under way until it is dropped, wherever that is.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<F> BlockingHandler<F> {
    pub(crate) fn new(function: F, cap: usize, pool: Arc<Semaphore>, parts: &super::Parts) -> Self {
        let watch = Watch {
            id: parts.link.id.clone(),
            slot: parts.link.slot,
            in_use: Arc::clone(&parts.link.in_use),
            warn: parts.shard.blocking_warn,
            collector: parts.collector.clone(),
            subscriber: parts.shard.subscriber.clone(),
        };
        Self { function: Arc::new(function), pool, cap, under_way: Arc::default(), watch: Arc::new(watch) }
    }
}

/// Adapts [`BlockingFn`], whose arguments are part of its type, to a plain closure.
pub(crate) fn erase<F: BlockingFn<Args>, Args>(
    function: F,
) -> (
    impl Fn(Envelope, Option<Context>) -> Result<dispatch_core::Outputs, DispatcherError> + Send + Sync + 'static,
    bool,
)
where
    Args: 'static,
{
    let call = move |envelope, context| {
        let argument = F::Argument::from_envelope(envelope)?;
        match function.invoke(argument, context) {
            Some(output) => output.into_outputs(),
            None => Err(DispatcherError::msg("the dispatch was over before the call began")),
        }
    };
    (call, F::WANTS_CONTEXT)
}

/// What is called on a thread, and whether it wants the context.
pub(crate) struct Erased<C> {
    pub(crate) call: C,
    pub(crate) wants_context: bool,
}

impl<C> Handler for BlockingHandler<Erased<C>>
where
    C: Fn(Envelope, Option<Context>) -> Result<dispatch_core::Outputs, DispatcherError>
        + Send
        + Sync
        + 'static,
{
    type Future = LocalBoxFuture<'static, Answer>;

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        if self.under_way.load(Ordering::Relaxed) >= self.cap {
            call.shard.recorder.borrow_mut().record_event(call.link.slot, DispatcherEvent::Saturated);
            return std::future::ready(Err(Fault::Saturated)).boxed_local();
        }
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.under_way));
        let context = if self.function.wants_context { call.context(&envelope) } else { None };
        let (function, watch, pool) =
            (Arc::clone(&self.function), Arc::clone(&self.watch), Arc::clone(&self.pool));
        async move {
            // A pool is closed by nobody, so this only waits.
            let Ok(thread) = pool.acquire_owned().await else { return Err(Fault::Stopped) };
            let (reply, answer) = oneshot::channel();
            tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                let answered = catch_unwind(AssertUnwindSafe(|| (function.call)(envelope, context)));
                let answer: Answer = match answered {
                    Ok(result) => result.map_err(Fault::Error),
                    Err(panic) => Err(Fault::panicked(panic)),
                };
                drop((thread, under_way));
                let took = begun.elapsed();
                watch.check(took);
                if reply.send(answer).is_err() {
                    watch.tell(DispatcherEvent::LateReply, took);
                }
            });
            answer.await.unwrap_or(Err(Fault::Stopped))
        }
        .boxed_local()
    }
}

impl Watch {
    fn tell(&self, event: DispatcherEvent, took: Duration) {
        let (slot, id) = (self.slot, self.id.clone());
        self.collector.do_send(Tell { slot, event, id, took, _in_use: Arc::clone(&self.in_use) });
    }

    /// Warns of a call that took too long.
    fn check(&self, took: Duration) {
        if took <= self.warn {
            return;
        }
        self.tell(DispatcherEvent::SlowBlocking, took);
        let warn = || {
            tracing::warn!(
                target: crate::trace::TARGET,
                dispatcher_id = self.id.as_str(),
                duration_ms = crate::trace::millis(took),
                "slow blocking dispatcher"
            );
        };
        match &self.subscriber {
            Some(subscriber) => tracing::dispatcher::with_default(subscriber, warn),
            None => warn(),
        }
    }
}
