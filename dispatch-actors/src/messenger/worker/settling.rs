//! What has become of messages, on its way into their transport.

use std::time::Duration;

use dispatch_core::queue::{QueueError, Settlement};
use tokio::time::Instant;

/// The pause after a transport could not be told.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// The settlements of one transport: one batch is under way at a time, and what comes meanwhile is the next.
#[derive(Default)]
pub(super) struct Settling {
    /// With the time at which the lease is over anyhow.
    waiting: Vec<(Settlement, Instant)>,
    under_way: Vec<Instant>,
    is_under_way: bool,
    /// The last batch has failed, and its time has not come.
    is_pausing: bool,
    failed: u32,
    /// One of them may be what the others fail with: they are told one by one.
    singly: bool,
}

/// What came of a batch.
#[derive(Default)]
pub(super) struct Settled {
    /// Leases that somebody else has by now.
    pub(super) lost: u64,
    /// Given up, since the lease is over or the transport was closed.
    pub(super) given_up: u64,
    /// Those of them that a transport may have taken, whose answer was lost.
    pub(super) unsure: Vec<Settlement>,
    /// To be told again, after this time.
    pub(super) again: Option<Duration>,
}

impl Settling {
    pub(super) fn push(&mut self, settlement: Settlement, lease_ends: Instant) {
        self.waiting.push((settlement, lease_ends));
    }

    /// The next batch, if none is under way.
    pub(super) fn next(&mut self) -> Option<Vec<Settlement>> {
        if self.is_under_way || self.is_pausing || self.waiting.is_empty() {
            return None;
        }
        self.is_under_way = true;
        let count = if self.singly { 1 } else { self.waiting.len() };
        let (batch, ends) = self.waiting.drain(..count).unzip();
        self.under_way = ends;
        Some(batch)
    }

    /// The transport has answered.
    pub(super) fn answered(
        &mut self,
        batch: Vec<Settlement>,
        answer: &Result<Vec<Result<(), QueueError>>, QueueError>,
        now: Instant,
    ) -> Settled {
        self.is_under_way = false;
        let ends = std::mem::take(&mut self.under_way);
        let mut settled = Settled::default();
        match answer {
            Ok(answers) => {
                self.failed = 0;
                self.singly = self.singly && !self.waiting.is_empty();
                settled.lost = answers.iter().filter(|answer| answer.is_err()).count() as u64;
            }
            Err(QueueError::Closed) => {
                // There is nobody to tell any more.
                settled.given_up = (batch.len() + self.waiting.len()) as u64;
                self.waiting.clear();
            }
            Err(error) => {
                self.singly = !error.is_retryable();
                // Whatever the error: telling again does no harm, and until the lease is over it may help.
                let (again, over): (Vec<_>, Vec<_>) =
                    batch.into_iter().zip(ends).partition(|(_, ends)| *ends > now);
                settled.given_up = over.len() as u64;
                settled.unsure = over.into_iter().map(|(settlement, _)| settlement).collect();
                if !again.is_empty() {
                    settled.again = Some(PAUSE.saturating_mul(1 << self.failed.min(10)).min(LONGEST));
                    self.failed = self.failed.saturating_add(1);
                    self.is_pausing = true;
                    if self.singly {
                        // Behind the others, so that it keeps back none of them.
                        self.waiting.extend(again);
                    } else {
                        self.waiting.splice(0..0, again);
                    }
                }
            }
        }
        settled
    }

    /// The pause is over.
    pub(super) fn go_on(&mut self) {
        self.is_pausing = false;
    }

    /// Tells nothing any more; how many were not told.
    pub(super) fn give_up(&mut self) -> usize {
        self.is_under_way = false;
        self.under_way.drain(..).count() + self.waiting.drain(..).count()
    }

    /// Whether everything was told.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_under_way && self.waiting.is_empty()
    }
}
