use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{
    Adapter, DeliveryError, DeliveryEvent, DeliveryLabels, Health, Progress, Receipt,
};
use dispatch_core::dispatcher::{Context, Dispatcher, DispatcherError, Outputs};
use dispatch_core::error::Problem;
use dispatch_core::policy::Failure;
use dispatch_core::{Category, Envelope, NodeKind};
use futures_util::future::Either;

use super::{Call, Moment, Telemetry, batch};

/// Something that decides whether, when and how often a call is made.
pub trait Policy: Send + Sync + 'static {
    /// Makes the call. `attempt` makes one attempt each time it is called.
    ///
    /// # Errors
    /// What the last attempt failed with, or that the policy did not let the call through.
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send;

    /// Everything that is wrong with its options.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// A policy, and one further inside.
#[derive(Debug, Clone)]
pub struct Stack<Outer, Inner>(pub Outer, pub Inner);

impl<Outer: Policy, Inner: Policy> Policy for Stack<Outer, Inner> {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move { self.0.apply(call, || self.1.apply(call, &attempt)).await }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.0.problems();
        problems.extend(self.1.problems());
        problems
    }
}

/// A policy that may be left out.
impl<P: Policy> Policy for Option<P> {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        match self {
            Some(policy) => Either::Left(policy.apply(call, attempt)),
            None => Either::Right(attempt()),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.as_ref().map(Policy::problems).unwrap_or_default()
    }
}

/// An adapter or a dispatcher with a policy around it; it is one itself.
#[derive(Debug, Clone)]
pub struct Around<P, T> {
    policy: P,
    inner: T,
    telemetry: Telemetry,
}

impl<P: Policy, A: Adapter> Around<P, A> {
    /// Puts a policy around an adapter; the labels are its name and its destination.
    pub fn new(policy: P, adapter: A) -> Self {
        let labels = DeliveryLabels::new(adapter.name(), adapter.destination());
        Self { policy, inner: adapter, telemetry: Telemetry::new(labels) }
    }
}

impl<P: Policy, D: Dispatcher> Around<P, D> {
    /// Puts a policy around a dispatcher; the labels are `dispatcher` and its id.
    pub fn dispatcher(policy: P, dispatcher: D) -> Self {
        let labels = DeliveryLabels::new("dispatcher", dispatcher.id());
        Self { policy, inner: dispatcher, telemetry: Telemetry::new(labels) }
    }
}

impl<P, T> Around<P, T> {
    /// Tells others what the policy does, under other labels.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// What is inside.
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The policy around it.
    pub(crate) const fn policy(&self) -> &P {
        &self.policy
    }

    fn call<'a>(&'a self, envelope: &'a Envelope) -> Call<'a> {
        Call::new(&self.telemetry).with_key(envelope.key())
    }
}

impl<P: Policy, A: Adapter> Around<P, A> {
    /// [`deliver`](Adapter::deliver) with a clock of the caller's, and without a box for the future.
    ///
    /// That it can be sent is said here, where the policy is generic: the compiler cannot tell of a known one.
    pub(crate) fn deliver_at<'a>(
        &'a self,
        envelope: &'a Envelope,
        moment: &'a Moment,
        progress: &'a Progress,
    ) -> impl Future<Output = Result<Receipt, DeliveryError>> + Send + 'a {
        async move {
            let attempt = || async {
                let result = self.inner.deliver_rest(envelope, progress).await;
                moment.forget();
                result
            };
            self.policy.apply(self.call(envelope).at(moment), attempt).await
        }
    }

    /// [`deliver_batch`](Adapter::deliver_batch) with a clock of the caller's.
    pub(crate) fn deliver_batch_at<'a>(
        &'a self,
        envelopes: &'a [Envelope],
        moment: &'a Moment,
    ) -> impl Future<Output = Vec<Result<Receipt, DeliveryError>>> + Send + 'a {
        async move {
            let attempt = || async {
                self.telemetry.emit(DeliveryEvent::Batched { size: envelopes.len() });
                let results = self.inner.deliver_batch(envelopes).await;
                moment.forget();
                batch::judge(self.inner.name(), results, envelopes.len())
            };
            let call = Call::new(&self.telemetry).at(moment).with_envelopes(envelopes.len());
            match self.policy.apply(call, attempt).await {
                Ok(results) => results,
                Err(failed) => failed.into_results(envelopes.len()),
            }
        }
    }
}

#[async_trait]
impl<P: Policy, A: Adapter> Adapter for Around<P, A> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn destination(&self) -> &str {
        self.inner.destination()
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let mut problems = self.inner.validate().err().unwrap_or_default();
        problems.extend(self.policy.problems());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn time_for(&self, limit: Duration) -> Duration {
        self.inner.time_for(limit)
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.deliver_at(envelope, &Moment::start(), &Progress::new()).await
    }

    async fn deliver_rest(&self, envelope: &Envelope, progress: &Progress) -> Result<Receipt, DeliveryError> {
        self.deliver_at(envelope, &Moment::start(), progress).await
    }

    /// The whole batch is one call: it fails if every envelope in it failed and trying again may help. A limit by key lets
    /// it pass, since it has no key.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.deliver_batch_at(envelopes, &Moment::start()).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

#[async_trait]
impl<P: Policy, D: Dispatcher> Dispatcher for Around<P, D> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn category(&self) -> Category {
        self.inner.category()
    }

    fn message_types(&self) -> Option<BTreeSet<String>> {
        self.inner.message_types()
    }

    fn node_kind(&self) -> Option<NodeKind> {
        self.inner.node_kind()
    }

    async fn handle(&self, envelope: Envelope, context: Context) -> Result<Outputs, DispatcherError> {
        let moment = Moment::start();
        let attempt = || async {
            let result = self.inner.handle(envelope.clone(), context.clone()).await;
            moment.forget();
            result
        };
        self.policy.apply(self.call(&envelope).at(&moment), attempt).await
    }
}
