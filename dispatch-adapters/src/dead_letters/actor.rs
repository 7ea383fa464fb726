use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryErrorKind, DeliveryEvent, Progress, Receipt};
use dispatch_core::policy::{Failure, RetryPolicy};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::protocol::{Command, Kept, Left};
use crate::policy::Telemetry;

/// A target whose destination has not answered after this has not taken the letter.
const PATIENCE: Duration = Duration::from_secs(30);

/// Delivers dead letters to one target until it is told to stop, or nobody can send any more and all are delivered.
pub(super) async fn run<A: Adapter>(
    adapter: A,
    delays: RetryPolicy,
    telemetry: Telemetry,
    mut commands: mpsc::UnboundedReceiver<Command>,
    left: watch::Sender<Option<Left>>,
) {
    let rng = SmallRng::from_rng(&mut rand::rng());
    let mut worker =
        Worker { adapter: Arc::new(adapter), delays, telemetry, kept: VecDeque::new(), failures: 0, rng };
    let mut next_try = Instant::now();
    let mut trying: OptionFuture<BoxFuture<'static, Result<Receipt, DeliveryError>>> = None.into();
    let mut closing: Option<Instant> = None;
    let mut busy = false;
    let mut open = true;
    loop {
        let idle = worker.kept.is_empty();
        if idle && (!open || closing.is_some()) {
            break;
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(closing.unwrap_or(next_try)), if closing.is_some() => break,
            Some(result) = &mut trying, if busy => {
                busy = false;
                next_try = crate::runtime::after(worker.settle(result));
            }
            command = commands.recv(), if open => match command {
                Some(Command::Put(kept)) => worker.kept.push_back(kept),
                Some(Command::Close { until }) => closing = Some(closing.map_or(until, |sooner| sooner.min(until))),
                None => open = false,
            },
            () = tokio::time::sleep_until(next_try), if !busy && !idle => {
                trying = worker.try_first().into();
                busy = true;
            }
        }
    }
    // What was put at the same moment as the targets were closed is handed back, too.
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Put(kept) = command {
            worker.kept.push_back(kept);
        }
    }
    left.send_replace(Some(worker.hand_back()));
}

struct Worker<A> {
    adapter: Arc<A>,
    delays: RetryPolicy,
    telemetry: Telemetry,
    /// The first one is the one that is being tried.
    kept: VecDeque<Kept>,
    /// Tries in a row that failed.
    failures: u32,
    rng: SmallRng,
}

impl<A: Adapter> Worker<A> {
    /// Delivers the letter that has waited longest.
    fn try_first(&self) -> Option<BoxFuture<'static, Result<Receipt, DeliveryError>>> {
        let kept = self.kept.front()?;
        let progress = Arc::clone(&kept.progress);
        Some(deliver(Arc::clone(&self.adapter), kept.letter.to_envelope(), progress).boxed())
    }

    /// Takes note of how it went; the time until the next try.
    fn settle(&mut self, result: Result<Receipt, DeliveryError>) -> Duration {
        let Some(mut kept) = self.kept.pop_front() else {
            return Duration::ZERO;
        };
        let error = match result {
            Ok(_) => {
                self.failures = 0;
                self.telemetry.emit(DeliveryEvent::DeadLetterStored);
                return Duration::ZERO;
            }
            Err(error) => error,
        };
        kept.tries = kept.tries.saturating_add(1);
        tracing::warn!(
            dead_letter_id = %kept.letter.id, target = self.adapter.name(), tries = kept.tries,
            kept = self.kept.len() + 1, error = %error,
            "a dead letter was not taken; it is kept and will be tried again"
        );
        self.telemetry.emit(DeliveryEvent::DeadLetterKept);
        self.kept.push_back(kept);
        let delay = self.delays.delay(self.failures, &mut self.rng).unwrap_or(self.delays.cap);
        self.failures = self.failures.saturating_add(1);
        match error.kind() {
            DeliveryErrorKind::RetryAfter(wanted) => self.delays.clamp(wanted),
            _ => delay,
        }
    }

    /// Hands back what is left, for everybody who closes the targets, now or later.
    fn hand_back(self) -> Left {
        for kept in &self.kept {
            tracing::error!(
                dead_letter_id = %kept.letter.id, envelope_id = %kept.letter.envelope.id(),
                target = self.adapter.name(), tries = kept.tries,
                "a dead letter was not delivered before the targets were closed; it was handed back"
            );
        }
        self.kept.iter().map(|kept| Arc::clone(&kept.letter)).collect()
    }
}

async fn deliver<A: Adapter>(
    adapter: Arc<A>,
    envelope: Envelope,
    progress: Arc<Progress>,
) -> Result<Receipt, DeliveryError> {
    // The call is foreign code; nothing of it is used again after it has panicked.
    let delivery =
        AssertUnwindSafe(async { adapter.deliver_rest(&envelope, &progress).await }).catch_unwind();
    let patience = adapter.time_for(PATIENCE);
    match tokio::time::timeout(patience, delivery).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(DeliveryError::retry("the adapter panicked")),
        Err(_) => Err(DeliveryError::timed_out(patience)),
    }
}
