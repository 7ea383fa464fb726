use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dispatch_core::delivery::{Adapter, DeliveryLabels, DeliveryObserver};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::{BatchPolicy, BreakerConfig, RateLimit, RetryPolicy};
use dispatch_core::{Clock, RegistrationError, SystemClock};
use dispatch_metrics::DeliveryRecorder;
use tokio::sync::{Semaphore, mpsc, watch};

use super::limit::Limit;
use super::queue::Pace;
use super::route::{self, Attempt, Lane, Route};
use super::shared::Shared;
use super::vitals::Vitals;
use super::{Delivery, Fallback, actor};
use crate::batch::{Again, Batched, Hold, Sends};
use crate::dead_letters::{DeadLetters, DeadLettersBuilder};
use crate::policy::{
    Around, Breaker, Gate, InFlight, KeyedRate, Observe, Policy, Rate, Retry, Stack, Telemetry, Timeout,
};

/// Puts the policies of a destination together; made by [`Delivery::to`].
///
/// Unless it is told otherwise there is a time-out of 5 s for each attempt, and nothing else.
#[must_use = "a delivery does nothing until it is started"]
pub struct DeliveryBuilder {
    adapter: Arc<dyn Adapter>,
    destination: Option<String>,
    retry: Option<RetryPolicy>,
    seed: Option<u64>,
    breaker: Option<BreakerConfig>,
    max_held: usize,
    hold_for: Duration,
    rate: Option<RateLimit>,
    key_rate: Option<RateLimit>,
    max_in_flight: Option<usize>,
    timeout: Duration,
    batch: Option<BatchPolicy>,
    fallback: Option<Fallback>,
    dead_letters: Option<DeadLetters>,
    own_dead_letters: Vec<Arc<dyn Adapter>>,
    queue: usize,
    concurrency: Option<usize>,
    observers: Vec<Arc<dyn DeliveryObserver>>,
    metrics: Option<DeliveryRecorder>,
    clock: Arc<dyn Clock>,
}

impl DeliveryBuilder {
    /// How many envelopes [`enqueue`](Delivery::enqueue) takes before it refuses, unless something else is asked for.
    pub const QUEUE: usize = 10_000;

    pub(super) fn new(adapter: Arc<dyn Adapter>) -> Self {
        Self {
            adapter,
            destination: None,
            retry: None,
            seed: None,
            breaker: None,
            max_held: 1_000,
            hold_for: Breaker::HOLD_FOR,
            rate: None,
            key_rate: None,
            max_in_flight: None,
            timeout: Duration::from_secs(5),
            batch: None,
            fallback: None,
            dead_letters: None,
            own_dead_letters: Vec::new(),
            queue: Self::QUEUE,
            concurrency: None,
            observers: Vec::new(),
            metrics: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// What logs and metrics call the destination; what the adapter calls it unless given, which for HTTP is the URL
    /// without user information and query.
    pub fn destination(mut self, label: impl Into<String>) -> Self {
        self.destination = Some(label.into());
        self
    }

    /// Makes failed attempts again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Makes the jitter of the retries the same on every run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Stops asking a destination that fails, and holds the work meanwhile.
    pub fn circuit_breaker(mut self, config: BreakerConfig) -> Self {
        self.breaker = Some(config);
        self
    }

    /// How many envelopes an open breaker holds, those in batches included, 1,000 unless given; the others are refused, and
    /// so is the whole of a list or a batch for which there is no room. With 0, or with a fallback, all are. What is queued
    /// and refused by the breaker stays in the queue and comes again, for free as what is held.
    ///
    /// With a batch it bounds two things, each by itself: the callers of [`deliver`](Adapter::deliver) who have no result, and
    /// the envelopes of lists and batches that the breaker holds. Up to twice as many may wait.
    pub fn max_held(mut self, max_held: usize) -> Self {
        self.max_held = max_held;
        self
    }

    /// How long an outage may last before an envelope that a breaker holds, or one of the queue for which it has no room, pays
    /// for it with attempts: 24 hours unless given. Until then every probe is free; later one that fails is an attempt of
    /// its envelope, which may be its last.
    pub fn hold_for(mut self, limit: Duration) -> Self {
        self.hold_for = limit;
        self
    }

    /// Delivers no faster than this.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate = Some(limit);
        self
    }

    /// Delivers the envelopes of each key no faster than this.
    pub fn key_rate_limit(mut self, limit: RateLimit) -> Self {
        self.key_rate = Some(limit);
        self
    }

    /// Makes at most so many attempts at once.
    pub fn max_in_flight(mut self, limit: usize) -> Self {
        self.max_in_flight = Some(limit);
        self
    }

    /// Gives each attempt this long; 5 s unless given. What the adapter spends before the destination is asked, such as the
    /// wait for a connection of a pool or for a batch to fill, is [added](Adapter::time_for) as it is when the attempt begins,
    /// and so is this time for each further place that it asks in turn. Of a delivery inside this one neither the retries are
    /// in it, nor what its breaker or its rate keep: put these into the outer one, or make this longer. A batch has this long for each envelope that fits into it, an hour at most: an adapter may deliver
    /// them one after the other.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Delivers in batches.
    pub fn batch(mut self, policy: BatchPolicy) -> Self {
        self.batch = Some(policy);
        self
    }

    /// What happens instead when the destination does not take an envelope.
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// Where envelopes go that failed for good.
    pub fn dead_letters(mut self, targets: &DeadLetters) -> Self {
        self.dead_letters = Some(targets.clone());
        self
    }

    /// Starts dead letters of its own with it, unless it is given others: with its metrics and observers.
    pub(crate) fn own_dead_letters(mut self, adapters: Vec<Arc<dyn Adapter>>) -> Self {
        self.own_dead_letters = adapters;
        self
    }

    /// How many envelopes [`enqueue`](Delivery::enqueue) takes before it refuses, and how many of them are worked
    /// on at once: [`queue_capacity`](Self::queue_capacity) and [`concurrency`](Self::concurrency) together.
    pub fn queue(self, capacity: usize, concurrency: usize) -> Self {
        self.queue_capacity(capacity).concurrency(concurrency)
    }

    /// How many envelopes [`enqueue`](Delivery::enqueue) takes before it refuses; 10,000 unless given.
    pub fn queue_capacity(mut self, capacity: usize) -> Self {
        self.queue = capacity;
        self
    }

    /// Works on so many of the queued envelopes at once. Unless this is asked for, they are delivered in order: one
    /// after the other, or one batch after the other.
    ///
    /// More than one finish in any order. With a batch, as many batches are on their way at once as it takes for so
    /// many envelopes; the place of one that waits to be tried again is free for another. While no place is free, what is
    /// queued fills its batch up, however old it is.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Tells somebody what happens.
    pub fn observe(mut self, observer: Arc<dyn DeliveryObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Counts what happens, under the name of the adapter and the label of the destination. Deliveries with the same
    /// names are counted together.
    pub fn metrics(mut self, recorder: &DeliveryRecorder) -> Self {
        self.metrics = Some(recorder.clone());
        self
    }

    /// Takes wall time from this clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Everything that is wrong.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.adapter.validate().err().unwrap_or_default();
        problems.extend(self.retry.iter().flat_map(RetryPolicy::problems));
        problems.extend(self.breaker.iter().flat_map(BreakerConfig::problems));
        problems.extend(self.rate.iter().chain(&self.key_rate).flat_map(RateLimit::problems));
        problems.extend(self.batch.iter().flat_map(BatchPolicy::problems));
        if let Some(Err(refused)) = self.max_in_flight.map(InFlight::new) {
            problems.extend(refused.problems().iter().cloned());
        }
        problems.extend(Timeout::new(self.timeout).problems());
        let concurrency = self.concurrency.unwrap_or(1);
        if self.queue == 0 || self.queue > Semaphore::MAX_PERMITS || concurrency == 0 {
            let text =
                format!("the queue takes {} and works on {concurrency}: use at least 1 for each", self.queue);
            problems.push(Problem::new(ErrorCode::InvalidParameter, text));
        }
        problems
    }

    /// Checks everything and starts the actors.
    ///
    /// # Errors
    /// Every problem at once: of the adapter, of the policies, or that there is no tokio runtime.
    pub fn start(self) -> Result<Delivery, RegistrationError> {
        RegistrationError::check(self.problems())?;
        let runtime = crate::runtime::current()?;
        let dead_letters = match self.dead_letters {
            None if !self.own_dead_letters.is_empty() => {
                let letters = self
                    .observers
                    .iter()
                    .cloned()
                    .fold(DeadLetters::builder(self.own_dead_letters), DeadLettersBuilder::observe);
                let letters = match &self.metrics {
                    Some(recorder) => letters.metrics(recorder),
                    None => letters,
                };
                Some(letters.start()?)
            }
            given => given,
        };
        let adapter: Arc<str> = self.adapter.name().into();
        let destination = self.destination.unwrap_or_else(|| self.adapter.destination().to_owned());
        let labels = DeliveryLabels::new(adapter, destination);
        let meter = self.metrics.map(|recorder| recorder.meter(&labels) as Arc<dyn DeliveryObserver>);
        let telemetry = Telemetry::new(labels)
            .with_observers(meter.into_iter().chain(self.observers))
            .with_clock(self.clock);
        let max_held = if self.fallback.is_some() { 0 } else { self.max_held };
        let breaker = self.breaker.map(|config| Breaker::holding(config, max_held)).transpose()?;
        let breaker =
            breaker.map(|breaker| breaker.hold_for(self.hold_for).with_telemetry(telemetry.clone()));
        let attempts = self.retry.as_ref().map_or(1, |policy| policy.max_retries.saturating_add(1));
        if let (Some(_), Some(threshold)) = (&self.retry, self.breaker.map(|config| config.failure_threshold))
            && attempts <= u32::from(threshold)
        {
            warn_of_early_failures(telemetry.labels(), attempts, threshold);
        }
        let retry = self.retry.map(|policy| match self.seed {
            Some(seed) => Retry::seeded(policy, seed),
            None => Retry::new(policy),
        });
        let rates = Stack(self.rate.map(Rate::new), self.key_rate.map(KeyedRate::new));
        let gate = Gate::default();
        let envelopes = u32::try_from(self.batch.map_or(1, |batch| batch.max_size)).unwrap_or(u32::MAX);
        let limit = Limit { adapter: Arc::clone(&self.adapter), timeout: self.timeout, envelopes };
        let in_flight = self.max_in_flight.map(InFlight::new).transpose()?;
        let attempt: Attempt = Stack(in_flight, Stack(gate.clone(), Stack(Observe, limit)));
        let concurrency = self.concurrency.unwrap_or(1);
        let route = match self.batch {
            None => {
                let policy = Stack(retry, Stack(breaker.clone(), Stack(rates, attempt)));
                Route::Single(Around::new(policy, self.adapter).with_telemetry(telemetry.clone()))
            }
            Some(batch) => {
                let behind = Around::new(Stack(breaker.clone(), attempt), self.adapter);
                let sends = Sends {
                    at_once: concurrency.div_ceil(batch.max_size),
                    hold: breaker.clone().map(|breaker| Hold { breaker, most: max_held }),
                    again: retry.map(|retry| Again { retry, rates: rates.clone() }),
                    ask: Some(route::ask),
                };
                let behind = behind.with_telemetry(telemetry.clone());
                let batched = Batched::start_with(batch, sends, behind, telemetry.clone())?;
                let adapter = Around::new(rates, batched).with_telemetry(telemetry.clone());
                Route::Batched(Lane { policy: batch, adapter })
            }
        };
        let pace = match (self.batch, concurrency) {
            (None, most) => Pace::Single(most),
            (Some(batch), 1) => Pace::Rounds { batch, beside: None },
            // Beside one that waits to be tried again there is room for another.
            (Some(batch), most) => {
                let rounds = most.div_ceil(batch.max_size).saturating_add(1);
                Pace::Rounds { batch, beside: Some(batch.max_size.saturating_mul(rounds)) }
            }
        };
        let (ended, abandoned) = watch::channel(None);
        let (mailbox, commands) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            telemetry,
            route,
            breaker,
            fallback: self.fallback,
            dead_letters,
            gate,
            stopped: AtomicBool::new(false),
            vitals: Vitals::start(),
            room: Arc::new(Semaphore::new(self.queue)),
            queue: self.queue,
            attempts,
            hold_for: self.hold_for,
            timeout: self.timeout,
            abandoned,
        });
        runtime.spawn(actor::run(Arc::clone(&shared), pace, commands, ended));
        Ok(Delivery::new(shared, mailbox))
    }
}

/// At the start of an outage all failures may be those of one envelope or of one batch, whatever there is room for beside
/// it, and the last one may open the breaker.
fn warn_of_early_failures(labels: &DeliveryLabels, attempts: u32, threshold: u16) {
    let DeliveryLabels { adapter, destination } = labels;
    let or =
        if attempts > 1 { format!(", or lower failure_threshold below {attempts}") } else { String::new() };
    tracing::warn!(
        %adapter, %destination, attempts, failure_threshold = threshold,
        "an envelope has no attempt left when its failures open the circuit breaker: the first one of an outage may fail \
         for good before work is held; raise max_retries to at least {threshold}{or}"
    );
}
