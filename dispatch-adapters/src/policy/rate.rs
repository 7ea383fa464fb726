use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::delivery::DeliveryEvent;
use dispatch_core::error::Problem;
use dispatch_core::policy::{Failure, RateCell, RateLimit, RefusedBy};

use super::waiting::WaitingRoom;
use super::word::{Ticks, Word};
use super::{Call, Policy, Stack};

/// Calls that may wait for the rate limit.
const WAITING: usize = 10_000;

/// Lets calls pass no faster than a rate; the others wait, in the order they came.
///
/// A call that is dropped while it waits has used up its turn.
#[derive(Debug, Clone)]
pub struct Rate {
    limit: RateLimit,
    shared: Arc<Shared<Word>>,
}

/// Lets the calls of each key pass no faster than a rate. Calls without a key pass.
///
/// Memory is bounded: keys are spread over 65,536 cells, and two keys that meet in one cell share its rate. They
/// are held back too much rather than too little.
#[derive(Debug, Clone)]
pub struct KeyedRate {
    limit: RateLimit,
    shared: Arc<Shared<Box<[Word]>>>,
    hasher: RandomState,
}

/// A rate, and one for each key.
pub(crate) type Rates = Stack<Option<Rate>, Option<KeyedRate>>;

#[derive(Debug)]
struct Shared<C> {
    cells: C,
    ticks: Ticks,
    waiting: WaitingRoom,
}

impl<C> Shared<C> {
    fn new(cells: C) -> Arc<Self> {
        Arc::new(Self { cells, ticks: Ticks::start(), waiting: WaitingRoom::new(WAITING) })
    }

    async fn wait_for_turn<E: Failure>(
        &self,
        cell: &Word,
        limit: &RateLimit,
        call: Call<'_>,
    ) -> Result<(), E> {
        let wait = self.turn(cell, call, |cell, now| cell.pass(limit, now).err().unwrap_or_default());
        if wait.is_zero() {
            return Ok(());
        }
        let Some(_seat) = self.waiting.enter() else {
            return Err(call.telemetry.refuse(RefusedBy::RateLimit, Some(wait)));
        };
        let wait = self.turn(cell, call, |cell, now| cell.reserve(limit, now));
        if !wait.is_zero() {
            call.telemetry.emit(DeliveryEvent::RateLimited { wait });
            tokio::time::sleep(wait).await;
            call.waited();
        }
        Ok(())
    }

    /// How long a call would wait for its turn.
    fn wait(&self, cell: &Word, limit: &RateLimit, call: Call<'_>) -> Duration {
        // A turn of a copy: none is taken.
        RateCell::from_bits(cell.load()).reserve(limit, self.ticks.at(call.clock()))
    }

    fn turn(
        &self,
        cell: &Word,
        call: Call<'_>,
        mut step: impl FnMut(&mut RateCell, Duration) -> Duration,
    ) -> Duration {
        let now = self.ticks.at(call.clock());
        cell.step(RateCell::from_bits, RateCell::to_bits, |cell| step(cell, now)).2
    }
}

impl Rates {
    /// How long a call would wait for its turn.
    pub(crate) fn wait(&self, call: Call<'_>) -> Duration {
        let Stack(all, keyed) = self;
        let all = all.as_ref().map(|rate| rate.shared.wait(&rate.shared.cells, &rate.limit, call));
        let keyed = keyed.as_ref().and_then(|rate| {
            let cell = rate.cell(call.key?)?;
            Some(rate.shared.wait(cell, &rate.limit, call))
        });
        all.max(keyed).unwrap_or_default()
    }
}

impl Rate {
    /// A limit.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        Self { limit, shared: Shared::new(Word::new(0)) }
    }
}

impl KeyedRate {
    const CELLS: usize = 65_536;

    /// A limit for each key.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        let cells = (0..Self::CELLS).map(|_| Word::new(0)).collect();
        Self { limit, shared: Shared::new(cells), hasher: RandomState::new() }
    }

    fn cell(&self, key: &str) -> Option<&Word> {
        let hash = usize::try_from(self.hasher.hash_one(key) % Self::CELLS as u64).unwrap_or(0);
        self.shared.cells.get(hash)
    }
}

impl Policy for Rate {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            // A batch has a turn for each of its envelopes.
            for _ in 0..call.envelopes() {
                self.shared.wait_for_turn(&self.shared.cells, &self.limit, call).await?;
            }
            attempt().await
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.limit.problems()
    }
}

impl Policy for KeyedRate {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            if let Some(cell) = call.key.and_then(|key| self.cell(key)) {
                self.shared.wait_for_turn(cell, &self.limit, call).await?;
            }
            attempt().await
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.limit.problems()
    }
}
