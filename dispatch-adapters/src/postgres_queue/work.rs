//! How jobs are done: on a connection, in time, and once more if others were in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatch_core::queue::{QueueError, Wakeups};
use rand::Rng as _;

use super::error::{self, Broken, Step};
use super::pool::{Lent, Pool};
use super::shape::Shape;
use super::store::{Job, Store};

/// How often something is done again that others were in the way of.
const ATTEMPTS: u64 = 6;

/// What does the work of a queue.
pub(super) struct Work {
    pub(super) pool: Pool,
    pub(super) shape: Shape,
    pub(super) timeout: Duration,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) closed: AtomicBool,
}

impl Work {
    /// Does a job, and wakes workers if it made something ready.
    pub(super) async fn run<J: Job>(&self, job: &J) -> Result<J::Answer, QueueError> {
        let done = tokio::time::timeout(self.timeout, self.attempt(job)).await;
        done.unwrap_or_else(|_| Err(error::too_late(&self.pool.server.label)))
    }

    async fn attempt<J: Job>(&self, job: &J) -> Result<J::Answer, QueueError> {
        let mut attempt = 0;
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(QueueError::Closed);
            }
            let lent = self.pool.get().await?;
            let mut store = lent.store(&self.shape);
            let done = perform(job, &mut store).await;
            let woken = store.woken || store.told;
            match done {
                Ok(answer) => {
                    lent.give_back();
                    if woken {
                        self.wakeups.wake();
                    }
                    return Ok(answer);
                }
                Err(broken) => {
                    attempt += 1;
                    let again = broken.is_conflict() && attempt < ATTEMPTS;
                    undo::<J>(lent, &broken).await;
                    if !again {
                        return Err(broken.into_error(&self.pool.server.label));
                    }
                    let pause = rand::rng().random_range(1..=5 << attempt);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        }
    }
}

async fn perform<J: Job>(job: &J, store: &mut Store<'_>) -> Step<J::Answer> {
    if !J::TRANSACTION {
        return job.run(store).await;
    }
    store.client.batch_execute("BEGIN").await?;
    let answer = job.run(store).await?;
    store.tell().await?;
    store.client.batch_execute("COMMIT").await?;
    Ok(answer)
}

/// Takes back what was begun. A connection that does not look well is closed, which does the same.
async fn undo<J: Job>(lent: Lent<'_>, broken: &Broken) {
    let well = matches!(broken, Broken::Known(_)) || broken.is_conflict();
    if well && (!J::TRANSACTION || lent.connection.session.client.batch_execute("ROLLBACK").await.is_ok()) {
        lent.give_back();
    }
}
