use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryErrorKind, DeliveryLabels, Health, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::{Clock, Envelope, SystemClock};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::exchange::exchange;
use super::health::Record;
use super::message::{self, Message};
use super::target::Target;
use super::{CloudEventsMode, HttpError, HttpOptions, HttpPool};

/// Delivers envelopes to a URL. See the [module](super) for what an answer means.
///
/// - Delivered means: the destination has answered 2xx.
/// - A batch is one request in [batched mode](CloudEventsMode::Batched), or several if one would be too long, and each
///   envelope gets the answer of its request. In other modes it is one request after the other, in order, or as many
///   at once as the options say.
///   After an answer that it wants nothing more (410), none is begun any more, and the rest has that answer.
/// - [`health`](Adapter::health) is that of the last call; nothing is sent to find out. A destination that answers is
///   healthy, also if it answers that a request is not valid; not with 408, 410, 425, 429 or 5xx.
///
/// It is made from any options; [`validate`](Adapter::validate) lists everything that is wrong with them, and as long
/// as something is, every delivery fails for good.
pub struct Http {
    name: Arc<str>,
    options: HttpOptions,
    pool: HttpPool,
    /// Whether the pool was handed over.
    shared: bool,
    target: OnceLock<Result<Target, Vec<Problem>>>,
    clock: Arc<dyn Clock>,
    record: Record,
}

impl Http {
    /// An adapter with a pool of its own.
    #[must_use]
    pub fn new(options: HttpOptions) -> Self {
        Self {
            name: "http".into(),
            pool: HttpPool::new(options.pool.clone()),
            options,
            shared: false,
            target: OnceLock::new(),
            clock: Arc::new(SystemClock),
            record: Record::default(),
        }
    }

    /// Uses the connections of a pool, and its guard. The options of a pool of its own mean nothing then.
    #[must_use]
    pub fn in_pool(mut self, pool: &HttpPool) -> Self {
        self.pool = pool.clone();
        self.shared = true;
        self.target = OnceLock::new();
        self
    }

    /// Gives it another name than `http`.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Takes wall time from this clock; dates in answers are read by it.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The labels for metrics and policies: its name, and the URL without user information and query.
    #[must_use]
    pub fn labels(&self) -> DeliveryLabels {
        let destination =
            self.target().as_ref().map_or_else(|_| "invalid".into(), |target| Arc::clone(&target.label));
        DeliveryLabels::new(Arc::clone(&self.name), destination)
    }

    fn target(&self) -> &Result<Target, Vec<Problem>> {
        self.target.get_or_init(|| {
            let mut problems = self.pool.problems();
            if let Some(wanted) = self.options.shared_pool.as_deref()
                && !(self.shared && self.pool.name() == wanted)
            {
                let text =
                    format!("shared_pool is '{wanted}': hand over the pool of that name with in_pool()");
                problems.push(Problem::new(ErrorCode::ItemNotRegistered, text));
            }
            match Target::read(&self.options, &self.pool, &[], &mut problems) {
                Some(target) if problems.is_empty() => Ok(target),
                _ => Err(problems),
            }
        })
    }

    fn ready(&self) -> Result<&Target, DeliveryError> {
        self.target().as_ref().map_err(|problems| HttpError::options(problems))
    }

    async fn send(&self, message: Message) -> Result<Receipt, DeliveryError> {
        let target = self.ready()?;
        let started = Instant::now();
        let result = exchange(&self.pool, target, &message, &*self.clock, |_| Ok(())).await;
        self.record.note(std::iter::once(&result), started.elapsed(), self.clock.now());
        result
    }

    /// Sends what can be written as an event in as few requests as its length allows, one after the other; the rest
    /// fails alone.
    async fn send_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let max_bytes = self.options.max_bytes;
        let written: Vec<_> =
            envelopes.iter().map(|envelope| message::element(envelope, max_bytes)).collect();
        let events: Vec<_> = written.iter().flatten().map(Vec::as_slice).collect();
        let requests = message::requests(&events, max_bytes);
        let sent =
            one_by_one(&requests, 1, |request| async { self.send(Message::batch(request)?).await }).await;
        let mut answers = Vec::with_capacity(events.len());
        for (request, answer) in requests.iter().zip(&sent) {
            answers.extend(request.iter().map(|_| match answer {
                Ok(receipt) => Ok(receipt.clone()),
                Err(error) => Err(error.repeat()),
            }));
        }
        let mut answers = answers.into_iter();
        let each = |written: Result<Vec<u8>, DeliveryError>| {
            written?;
            answers.next().unwrap_or_else(|| Err(HttpError::envelope("it was not sent")))
        };
        written.into_iter().map(each).collect()
    }
}

#[async_trait]
impl Adapter for Http {
    fn name(&self) -> &str {
        &self.name
    }

    /// The URL without user information and query; the adapter's name if the options are not valid.
    fn destination(&self) -> &str {
        self.target().as_ref().map_or(&self.name, |target| &target.label)
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        self.target().as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// With the wait for a connection of the pool.
    fn time_for(&self, limit: Duration) -> Duration {
        self.pool.time_for(limit)
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.ready()?;
        self.send(Message::of(envelope, self.options.mode)?.within(self.options.max_bytes)?).await
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        if self.options.mode == CloudEventsMode::Batched {
            return self.send_batch(envelopes).await;
        }
        one_by_one(envelopes, self.options.batch_concurrency, |envelope| self.deliver(envelope)).await
    }

    async fn health(&self) -> Health {
        self.record.health()
    }
}

/// Delivers things each by itself, in their order, so many at once, until the destination says that it wants nothing more;
/// that is then the result of those that were not begun.
async fn one_by_one<'a, T, Fut>(
    things: &'a [T],
    at_once: usize,
    deliver: impl Fn(&'a T) -> Fut,
) -> Vec<Result<Receipt, DeliveryError>>
where
    Fut: Future<Output = Result<Receipt, DeliveryError>>,
{
    let gone: OnceLock<DeliveryError> = OnceLock::new();
    let (gone, deliver) = (&gone, &deliver);
    let ask = |thing: &'a T| async move {
        if let Some(error) = gone.get() {
            return Err(error.repeat());
        }
        let result = deliver(thing).await;
        let error = result.as_ref().err();
        if let Some(error) = error.filter(|error| error.kind() == DeliveryErrorKind::Disabled) {
            // Another one may have said so before.
            let _ = gone.set(error.repeat());
        }
        result
    };
    if at_once > 1 {
        let each: Vec<_> = things.iter().map(ask).collect();
        return stream::iter(each).buffered(at_once).collect().await;
    }
    let mut results = Vec::with_capacity(things.len());
    for thing in things {
        results.push(ask(thing).await);
    }
    results
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("pool", &self.pool.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_the_word_that_nothing_more_is_wanted_nothing_more_is_sent() {
        for (at_once, asked) in [(1, 3), (4, 6)] {
            let envelopes: Vec<_> = (0..20).map(|_| Envelope::empty("Happened")).collect();
            let calls = AtomicUsize::new(0);
            let results = one_by_one(&envelopes, at_once, |_| async {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1 + call as u64 / 3)).await;
                if call == 2 { Err(DeliveryError::disabled("410")) } else { Ok(Receipt::taken()) }
            })
            .await;
            assert!(calls.load(Ordering::SeqCst) <= asked, "{} were sent", calls.load(Ordering::SeqCst));
            assert_eq!(results.len(), 20);
            let last = results.last().unwrap().as_ref().unwrap_err();
            assert_eq!((last.kind(), last.message()), (DeliveryErrorKind::Disabled, "410"));
        }
    }
}
