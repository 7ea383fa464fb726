use std::sync::Arc;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::{Adapter, DeliveryLabels, DeliveryObserver};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::RetryPolicy;
use dispatch_metrics::DeliveryRecorder;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{DeadLetters, Target, actor};
use crate::policy::Telemetry;

/// Says how dead letters are delivered; made by [`DeadLetters::builder`].
#[must_use = "dead letters go nowhere until the targets are started"]
pub struct DeadLettersBuilder<A> {
    adapters: Vec<A>,
    delays: RetryPolicy,
    capacity: usize,
    observers: Vec<Arc<dyn DeliveryObserver>>,
    metrics: Option<DeliveryRecorder>,
}

impl<A: Adapter> DeadLettersBuilder<A> {
    pub(super) fn new(adapters: Vec<A>) -> Self {
        let (delays, capacity) = (RetryPolicy::forever(), DeadLetters::CAPACITY);
        Self { adapters, delays, capacity, observers: Vec::new(), metrics: None }
    }

    /// How long to wait between tries. The number of retries of the policy and its budget do not count: a dead letter
    /// is never given up.
    pub fn delays(mut self, policy: RetryPolicy) -> Self {
        self.delays = policy;
        self
    }

    /// How many dead letters each target may keep waiting; 10,000 unless given.
    pub fn capacity(mut self, letters: usize) -> Self {
        self.capacity = letters;
        self
    }

    /// Tells somebody what becomes of dead letters, with the labels `dead_letters` and the name of the target.
    pub fn observe(mut self, observer: Arc<dyn DeliveryObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Counts what becomes of dead letters, under the same labels.
    pub fn metrics(mut self, recorder: &DeliveryRecorder) -> Self {
        self.metrics = Some(recorder.clone());
        self
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.delays.problems();
        if self.adapters.is_empty() {
            let text = "dead letters: there is no target: name at least one adapter";
            problems.push(Problem::new(ErrorCode::InvalidConfiguration, text));
        }
        if self.capacity == 0 || self.capacity > Semaphore::MAX_PERMITS {
            let text = format!("dead letters: the capacity is {}: use at least 1", self.capacity);
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        }
        problems.extend(self.adapters.iter().filter_map(|adapter| adapter.validate().err()).flatten());
        problems
    }

    /// Checks everything and starts the actors of the targets.
    ///
    /// # Errors
    /// Every problem at once: that there is no adapter, of the adapters, of the options, or that there is no tokio
    /// runtime.
    pub fn start(self) -> Result<DeadLetters, RegistrationError> {
        RegistrationError::check(self.problems())?;
        let runtime = crate::runtime::current()?;
        let Self { adapters, delays, capacity, observers, metrics } = self;
        let delays = RetryPolicy { max_retries: u32::MAX, budget: None, give_up_after: None, ..delays };
        let targets = adapters.into_iter().map(|adapter| {
            let name = adapter.name().to_owned();
            let labels = DeliveryLabels::new("dead_letters", &*name);
            let meter = metrics.as_ref().map(|recorder| recorder.meter(&labels) as Arc<dyn DeliveryObserver>);
            let observers = meter.into_iter().chain(observers.iter().cloned());
            let telemetry = Telemetry::new(labels).with_observers(observers);
            let (mailbox, commands) = mpsc::unbounded_channel();
            let (ended, left) = watch::channel(None);
            runtime.spawn(actor::run(adapter, delays.clone(), telemetry, commands, ended));
            let [room, over] = [capacity; 2].map(|permits| Arc::new(Semaphore::new(permits)));
            Target { name, mailbox, room, capacity, over, left }
        });
        Ok(DeadLetters { targets: targets.collect() })
    }
}
