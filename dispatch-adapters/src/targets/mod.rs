//! One envelope to several destinations.
//!
//! - Every target is a [`Delivery`] of its own: what happens to one changes nothing for the others, and a retry
//!   repeats nothing that has succeeded.
//! - Every target has a result of its own, at its own index.
//! - At most [`CONCURRENCY`](Targets::CONCURRENCY) targets are worked on at once, in the order of the list.
//! - A target that is `queued` answers once its queue has the envelope; its outcome is in its metrics and its dead
//!   letters. A slow target of this kind keeps nobody waiting.

mod outcome;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::{Envelope, RegistrationError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered, StreamExt};

pub use outcome::TargetOutcome;

use crate::dead_letters::DeadLettersReport;
use crate::delivery::{Delivery, DeliveryReport};

/// One of several destinations.
#[derive(Debug, Clone)]
pub struct Target {
    name: Arc<str>,
    delivery: Delivery,
    queued: bool,
}

impl Target {
    /// A target that answers when the destination has.
    pub fn new(name: impl Into<Arc<str>>, delivery: Delivery) -> Self {
        Self { name: name.into(), delivery, queued: false }
    }

    /// A target that answers once its queue has the envelope.
    #[must_use]
    pub fn queued(mut self) -> Self {
        self.queued = true;
        self
    }

    /// The name of the target.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The delivery behind it.
    #[must_use]
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        if !self.queued {
            return self.delivery.deliver(envelope).await;
        }
        let ticket = self.delivery.enqueue(envelope.clone())?;
        // The outcome goes to the metrics and the dead letters of the delivery.
        drop(ticket);
        Ok(Receipt::queued())
    }

    async fn deliver_all(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        if !self.queued {
            return self.delivery.deliver_batch(envelopes).await;
        }
        let mut results = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            results.push(self.deliver(envelope).await);
        }
        results
    }
}

/// A list of destinations. As an [`Adapter`] it has delivered when all of them have; whoever tries that again asks all of
/// them again, so retries and queues belong into the targets, not around them.
///
/// ```
/// use dispatch_adapters::{Delivery, Target, Targets};
/// # use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
/// # struct Crm;
/// # #[async_trait::async_trait]
/// # impl Adapter for Crm {
/// #     fn name(&self) -> &str { "crm" }
/// #     async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> { Ok(Receipt::taken()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let targets = Targets::new([
///     Target::new("crm", Delivery::to(Crm).start()?),
///     Target::new("archive", Delivery::to(Crm).start()?).queued(),
/// ])?;
/// let outcomes = targets.deliver_each(&Envelope::empty("OrderPlaced")).await;
/// assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Targets {
    list: Arc<[Target]>,
    concurrency: usize,
}

impl Targets {
    /// How many targets are worked on at once, unless something else is asked for.
    pub const CONCURRENCY: usize = 8;
    /// The longest list.
    pub const MOST: usize = 1_000;

    /// A list of targets.
    ///
    /// # Errors
    /// That it is empty or too long, and every name that occurs twice.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Result<Self, RegistrationError> {
        let list: Arc<[Target]> = targets.into_iter().collect();
        RegistrationError::check(problems_of_names(list.iter().map(|target| &*target.name)))?;
        Ok(Self { list, concurrency: Self::CONCURRENCY })
    }

    /// Sets how many targets are worked on at once; at least one is.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// The targets.
    #[must_use]
    pub fn list(&self) -> &[Target] {
        &self.list
    }

    /// Shuts every target down, each within `deadline`; a report for each, in the order of the list.
    ///
    /// At the end of a program stop in this order: the engine, so that nothing more comes; the targets; the dead
    /// letters, into which the targets may still put something.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<DeliveryReport> {
        let mut ends = FuturesOrdered::new();
        for target in &*self.list {
            ends.push_back(target.delivery.shutdown(deadline));
        }
        ends.collect().await
    }

    /// Closes the dead letters of every target, after [`shutdown`](Self::shutdown); what a target of theirs has not taken is
    /// handed back, with the name of that target.
    pub async fn close_dead_letters(&self, deadline: Duration) -> DeadLettersReport {
        let mut ends = FuturesOrdered::new();
        for letters in self.list.iter().filter_map(|target| target.delivery.dead_letters()) {
            ends.push_back(letters.close(deadline));
        }
        let mut report = DeadLettersReport::default();
        while let Some(other) = ends.next().await {
            report.extend(other);
        }
        report
    }

    /// Delivers to every target; one outcome for each, in the order of the list.
    pub async fn deliver_each(&self, envelope: &Envelope) -> Vec<TargetOutcome> {
        let results = self.each(|target| target.deliver(envelope).boxed()).await;
        let outcomes = results.into_iter().zip(&*self.list).enumerate();
        outcomes
            .map(|(index, (result, target))| TargetOutcome {
                index,
                target: Arc::clone(&target.name),
                result,
            })
            .collect()
    }

    /// Wall time, as its targets tell it.
    fn now(&self) -> SystemTime {
        self.list.first().map_or_else(SystemTime::now, |target| target.delivery.now())
    }

    /// Asks every target, so many at once; the answers in the order of the list.
    async fn each<'a, T: Send>(&'a self, ask: impl Fn(&'a Target) -> BoxFuture<'a, T>) -> Vec<T> {
        // Unordered, so that one that hangs keeps one place only, and not those of all that come after it.
        let asked = self.list.iter().map(ask).enumerate();
        let asked: Vec<_> = asked.map(|(index, answer)| answer.map(move |answer| (index, answer))).collect();
        let mut answers: Vec<_> = stream::iter(asked).buffer_unordered(self.concurrency).collect().await;
        answers.sort_unstable_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Delivers every envelope to every target: for each envelope the outcomes in the order of the list.
    ///
    /// Each target gets the envelopes in their order, one after the other: each has its outcome, retries included, before
    /// the next is begun. A target with a batch gets one batch after the other; what of it fails is tried again
    /// together, in its order and before the next. A target that is queued keeps the order, too, unless it was given a
    /// [concurrency](crate::DeliveryBuilder::concurrency); it then begins them in order and may finish them in another.
    pub async fn deliver_all(&self, envelopes: &[Envelope]) -> Vec<Vec<TargetOutcome>> {
        let columns = self.each(|target| target.deliver_all(envelopes).boxed()).await;
        let mut rows: Vec<Vec<TargetOutcome>> = envelopes.iter().map(|_| Vec::new()).collect();
        for (index, (column, target)) in columns.into_iter().zip(&*self.list).enumerate() {
            for (row, result) in rows.iter_mut().zip(column) {
                row.push(TargetOutcome { index, target: Arc::clone(&target.name), result });
            }
        }
        rows
    }
}

/// What is wrong with a list of targets of these names.
pub(crate) fn problems_of_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if names.len() == 0 || names.len() > Targets::MOST {
        let text = format!("{} targets: use 1 to {}", names.len(), Targets::MOST);
        problems.push(Problem::new(ErrorCode::InvalidParameter, text));
    }
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !seen.insert(*name)) {
        let text = format!("target '{name}' is listed twice: give each target a name of its own");
        problems.push(Problem::new(ErrorCode::DuplicateRegistration, text));
    }
    problems
}

#[async_trait]
impl Adapter for Targets {
    fn name(&self) -> &str {
        "targets"
    }

    /// The longest that one of them needs, for each turn: so many are asked at once.
    fn time_for(&self, limit: Duration) -> Duration {
        let asked = || self.list.iter().filter(|target| !target.queued);
        let longest = asked().map(|target| target.delivery.time_for(limit)).max().unwrap_or(limit);
        let turns = asked().count().div_ceil(self.concurrency).max(1);
        longest.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }

    /// Delivers to every target. Tried again, it delivers again to those that have taken it: put retries into the
    /// targets, not around them. The queue of a [`Delivery`] around them asks all of them again, too, when one of them has
    /// refused: queue each [target](Target::queued) instead.
    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        outcome::fold(self.deliver_each(envelope).await, self.now())
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let rows = self.deliver_all(envelopes).await;
        let now = self.now();
        rows.into_iter().map(|row| outcome::fold(row, now)).collect()
    }

    /// Healthy if all are, unhealthy if none is.
    async fn health(&self) -> Health {
        let mut asked = FuturesOrdered::new();
        for target in &*self.list {
            asked.push_back(target.delivery.health());
        }
        let healths: Vec<Health> = asked.collect().await;
        let all = |status| healths.iter().all(|health: &Health| health.status == status);
        let status = match () {
            () if all(HealthStatus::Healthy) => HealthStatus::Healthy,
            () if all(HealthStatus::Unhealthy) => HealthStatus::Unhealthy,
            () if all(HealthStatus::Unknown) => HealthStatus::Unknown,
            () => HealthStatus::Degraded,
        };
        Health {
            status,
            latency: healths.iter().filter_map(|health| health.latency).max(),
            last_success: healths.iter().filter_map(|health| health.last_success).max(),
        }
    }
}
