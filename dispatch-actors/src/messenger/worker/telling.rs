//! Failed messages on their way to the dead-letter target.
//!
//! - A message is told of once it is stored as failed, and only if it still is: the transport is the store of record, and
//!   whatever becomes of the telling, nothing is lost.
//! - What is kept here are places, not messages: [`CAPACITY`] of them at most. What does not fit is not told, and counted.
//! - A target that has not taken a message is asked again; one that refuses it for good is not.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::delivery::{Adapter, DeadLetter, DeliveryError};
use dispatch_core::queue::{MessageQueue, MessageState};
use futures_util::FutureExt;
use uuid::Uuid;

/// Failed messages that wait to be told, at most.
const CAPACITY: usize = 10_000;
/// How many are told together.
const TOGETHER: usize = 100;
/// The pause after the target has not taken a message.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// A target that has not answered after this has not taken the messages.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// The place of its transport.
    pub(super) source: usize,
    pub(super) id: Uuid,
    /// The claim that it has failed in; without one it was given up before.
    pub(super) claim: Option<u64>,
}

/// What came of telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The target has it.
    Taken,
    /// There is nothing to tell: it was replayed or dropped meanwhile, or holds a dead letter itself.
    Nothing,
    /// The target does not take it, and never will.
    Refused,
    /// To be told again.
    Again,
}

/// What waits to be told. One batch is under way at a time.
#[derive(Default)]
pub(super) struct Telling {
    target: Option<Arc<dyn Adapter>>,
    waiting: VecDeque<Failed>,
    under_way: Vec<Failed>,
    /// Nothing is told until a pause is over.
    pausing: bool,
    failed: u32,
}

impl Telling {
    pub(super) fn to(target: Option<Arc<dyn Adapter>>) -> Self {
        Self { target, ..Self::default() }
    }

    /// Takes a message in; `false` if there is no room for it.
    pub(super) fn push(&mut self, failed: Failed) -> bool {
        if self.target.is_none() {
            return true;
        }
        let has_room = self.len() < CAPACITY;
        if has_room {
            self.waiting.push_back(failed);
        }
        has_room
    }

    /// The next batch, if none is under way.
    pub(super) fn next(&mut self) -> Option<(Arc<dyn Adapter>, Vec<Failed>)> {
        let target = self.target.as_ref()?;
        if !self.under_way.is_empty() || self.pausing || self.waiting.is_empty() {
            return None;
        }
        let count = self.waiting.len().min(TOGETHER);
        let batch: Vec<_> = self.waiting.drain(..count).collect();
        self.under_way.clone_from(&batch);
        Some((Arc::clone(target), batch))
    }

    /// A batch has been told; how long to pause, if some of it is to be told again.
    pub(super) fn answered(&mut self, again: Vec<Failed>) -> Option<Duration> {
        self.under_way.clear();
        if again.is_empty() || self.target.is_none() {
            self.failed = 0;
            return None;
        }
        // Behind the others, so that one that the target cannot take keeps back none of them.
        self.waiting.extend(again);
        let pause = PAUSE.saturating_mul(1 << self.failed.min(10)).min(LONGEST);
        self.failed = self.failed.saturating_add(1);
        self.pausing = true;
        Some(pause)
    }

    /// A pause is over.
    pub(super) fn go_on(&mut self) {
        self.pausing = false;
    }

    /// Tells nothing any more; what was not told.
    pub(super) fn give_up(&mut self) -> Vec<Failed> {
        self.target = None;
        self.under_way.drain(..).chain(self.waiting.drain(..)).collect()
    }

    /// Whether nothing is told any more, or never was.
    pub(super) fn is_over(&self) -> bool {
        self.target.is_none()
    }

    /// Messages that are not told yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Whether everything was told.
    pub(super) fn is_idle(&self) -> bool {
        self.len() == 0
    }
}

/// Where a message has failed: the name of the transport, and its queue.
pub(super) type Place = (String, Arc<dyn MessageQueue>);

/// Tells a target of messages, as they are stored; what came of each.
pub(super) async fn tell(target: &dyn Adapter, places: &[Place], batch: Vec<Failed>) -> Vec<(Failed, Told)> {
    let (mut told, mut known, mut envelopes) = (Vec::new(), Vec::new(), Vec::new());
    for failed in batch {
        let Some((transport, queue)) = places.get(failed.source) else { continue };
        match queue.find(failed.id).await {
            Ok(stored) => {
                let stored = stored.filter(|stored| {
                    stored.state == MessageState::Failed
                        && failed.claim.is_none_or(|claim| claim == stored.claim)
                });
                let letter = stored.and_then(|stored| DeadLetter::of_message(transport, &stored));
                match letter.filter(|letter| !DeadLetter::is_in(&letter.envelope)) {
                    Some(letter) => {
                        envelopes.push(letter.to_envelope());
                        known.push(failed);
                    }
                    None => told.push((failed, Told::Nothing)),
                }
            }
            Err(error) => {
                tracing::warn!(transport, %error, "a failed message cannot be looked up; it will be tried again");
                told.push((failed, Told::Again));
            }
        }
    }
    if !known.is_empty() {
        let answers = ask(target, &envelopes).await;
        // One that the target has not answered for is told again.
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let answered = known.into_iter().zip(answers);
        told.extend(answered.map(|(failed, answer)| {
            let outcome = judge(target, &failed, answer);
            (failed, outcome)
        }));
    }
    told
}

fn judge(target: &dyn Adapter, failed: &Failed, answer: Option<Result<(), DeliveryError>>) -> Told {
    match answer {
        Some(Ok(())) => Told::Taken,
        Some(Err(error)) if !error.is_retryable() => {
            tracing::error!(
                message_id = %failed.id, target = target.name(), %error,
                "the dead-letter target refuses a failed message for good; the transport has it"
            );
            Told::Refused
        }
        Some(Err(error)) => {
            tracing::warn!(
                message_id = %failed.id, target = target.name(), %error,
                "the dead-letter target has not taken a failed message; it will be told again"
            );
            Told::Again
        }
        None => Told::Again,
    }
}

/// What a target has said; nothing if it has panicked or has not answered in time.
async fn ask(target: &dyn Adapter, envelopes: &[dispatch_core::Envelope]) -> Vec<Result<(), DeliveryError>> {
    // Foreign code; nothing of the call is used again after it has panicked.
    let asked = AssertUnwindSafe(async { target.deliver_batch(envelopes).await }).catch_unwind();
    match tokio::time::timeout(target.time_for(PATIENCE), asked).await {
        Ok(Ok(answers)) => answers.into_iter().map(|answer| answer.map(drop)).collect(),
        Ok(Err(panic)) => {
            let what = crate::guard::panic_text(panic);
            tracing::error!(
                target = target.name(),
                what,
                "the dead-letter target panicked; it will be told again"
            );
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(
                target = target.name(),
                "the dead-letter target has not answered in time; it will be told again"
            );
            Vec::new()
        }
    }
}
