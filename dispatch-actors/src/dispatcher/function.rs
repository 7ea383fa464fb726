//! Async functions and closures as dispatchers.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use dispatch_core::dispatcher::{Context, IntoOutputs};
use dispatch_core::envelope::FromEnvelope;
use dispatch_core::{DispatcherError, Envelope};
use pin_project_lite::pin_project;

use super::handler::{Answer, Call, Fault, Handler};

/// An async function that can be a dispatcher: it takes an envelope (as it is, or with a typed payload) and, if
/// it likes, the [`Context`] of the dispatch, and returns anything that converts into outputs.
///
/// Implemented for `FnMut(Envelope) -> Future`, `FnMut(Envelope<T>) -> Future` and the same with a second
/// argument [`Context`]. A dispatcher is an actor, so its closure may own state and change it between its
/// first part and its first `await`, without a lock.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run as a dispatcher",
    label = "not an async function of an envelope",
    note = "write `|envelope: Envelope| async move {{ .. }}`; the argument is `Envelope` or `Envelope<T>` where `T: DeserializeOwned`, a second one may be `dispatch_actors::Context`",
    note = "it returns what is to be emitted: `()`, a topic as text, an `Envelope` with a topic, a `Vec` or `Option` of these, or a `Result` of these whose error is a `std::error::Error` or a `DispatcherError`",
    note = "a function that blocks belongs into `run_blocking`"
)]
pub trait HandlerFn<Args>: Send + 'static {
    /// The first argument.
    type Argument: FromEnvelope;
    /// What the function returns.
    type Future: Future<Output: IntoOutputs> + 'static;
    /// Whether it wants the context.
    const WANTS_CONTEXT: bool;

    /// Calls the function; the context is there if it is wanted.
    fn invoke(&mut self, argument: Self::Argument, context: Option<Context>) -> Option<Self::Future>;
}

impl<F, A, Fut> HandlerFn<(A,)> for F
where
    F: FnMut(A) -> Fut + Send + 'static,
    A: FromEnvelope,
    Fut: Future<Output: IntoOutputs> + 'static,
{
    type Argument = A;
    type Future = Fut;
    const WANTS_CONTEXT: bool = false;

    fn invoke(&mut self, argument: A, _: Option<Context>) -> Option<Fut> {
        Some(self(argument))
    }
}

impl<F, A, Fut> HandlerFn<(A, Context)> for F
where
    F: FnMut(A, Context) -> Fut + Send + 'static,
    A: FromEnvelope,
    Fut: Future<Output: IntoOutputs> + 'static,
{
    type Argument = A;
    type Future = Fut;
    const WANTS_CONTEXT: bool = true;

    fn invoke(&mut self, argument: A, context: Option<Context>) -> Option<Fut> {
        Some(self(argument, context?))
    }
}

/// A [`HandlerFn`] as the dispatcher's actor sees it.
pub(crate) struct FunctionHandler<F, Args> {
    function: F,
    args: std::marker::PhantomData<fn(Args)>,
}

impl<F, Args> FunctionHandler<F, Args> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, args: std::marker::PhantomData }
    }
}

impl<F: HandlerFn<Args>, Args: 'static> Handler for FunctionHandler<F, Args> {
    type Future = FunctionFuture<F::Future>;
    const MAY_ANSWER_AT_ONCE: bool = true;

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        let context = if F::WANTS_CONTEXT { call.context(&envelope) } else { None };
        match F::Argument::from_envelope(envelope) {
            Ok(argument) => match self.function.invoke(argument, context) {
                Some(future) => FunctionFuture::Running { future },
                None => FunctionFuture::Refused { error: None },
            },
            Err(error) => FunctionFuture::Refused { error: Some(error) },
        }
    }
}

pin_project! {
    /// A call of a function, or the reason why it was not called.
    #[project = Projected]
    pub(crate) enum FunctionFuture<Fut> {
        Running { #[pin] future: Fut },
        Refused { error: Option<DispatcherError> },
    }
}

impl<Fut: Future<Output: IntoOutputs>> Future for FunctionFuture<Fut> {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Answer> {
        match self.project() {
            Projected::Running { future } => {
                future.poll(cx).map(|output| output.into_outputs().map_err(Fault::Error))
            }
            Projected::Refused { error } => {
                Poll::Ready(Err(error.take().map_or(Fault::Stopped, Fault::Error)))
            }
        }
    }
}
