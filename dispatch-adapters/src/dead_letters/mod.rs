//! Where deliveries go that failed for good.
//!
//! - A dead letter goes to every target; it is done when all have taken it.
//! - What a target does not take is kept, in memory, and tried again until it does: it is never dropped. The next
//!   one is tried meanwhile, so that one letter that a target cannot take does not keep back the rest.
//! - Nothing that happens to a dead letter makes another one: a target is only ever tried again, and an envelope
//!   that holds a dead letter is not dead-lettered by a [`Delivery`](crate::Delivery) either.
//! - What is kept is bounded. At the bound [`put`](DeadLetters::put) waits, and so do the deliveries that fail. A letter
//!   whose caller is dropped while it waits is kept all the same: twice the bound at most. Over that, the log has its
//!   ids, as an error.
//! - [`close`](DeadLetters::close) hands back whatever a target has not taken, or says that it cannot know.

mod actor;
mod adapter;
mod builder;
mod buried;
mod protocol;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::RegistrationError;
use dispatch_core::delivery::{Adapter, DeadLetter};
use dispatch_core::policy::RetryPolicy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

pub use builder::DeadLettersBuilder;
pub use buried::Buried;
pub use protocol::DeadLettersReport;
use protocol::{Command, Kept, Left};

/// The targets of dead letters. Clones are the same targets; they can serve many destinations.
///
/// ```
/// use dispatch_adapters::DeadLetters;
/// # use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
/// # struct Archive;
/// # #[async_trait::async_trait]
/// # impl Adapter for Archive {
/// #     fn name(&self) -> &str { "archive" }
/// #     async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> { Ok(Receipt::taken()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dead_letters = DeadLetters::to([Archive])?;
/// # assert_eq!(dead_letters.pending(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DeadLetters {
    targets: Arc<[Target]>,
}

struct Target {
    name: String,
    mailbox: mpsc::UnboundedSender<Command>,
    /// What bounds the mailbox: one permit for each letter that the target has not taken.
    room: Arc<Semaphore>,
    capacity: usize,
    /// One permit for each letter that may be kept over the bound, because nobody waits with it any more.
    over: Arc<Semaphore>,
    /// What it had not taken when it was closed.
    left: watch::Receiver<Option<Left>>,
}

impl DeadLetters {
    /// Dead letters that one target may keep waiting.
    pub const CAPACITY: usize = 10_000;

    /// Sends dead letters to each of these adapters.
    ///
    /// # Errors
    /// That there is no adapter, everything that is wrong with the adapters, or that there is no runtime.
    pub fn to<A: Adapter>(adapters: impl IntoIterator<Item = A>) -> Result<Self, RegistrationError> {
        Self::builder(adapters).start()
    }

    /// Sends dead letters to each of these adapters, with delays of your own between tries.
    ///
    /// The number of retries of the policy and its budget do not count: a dead letter is never given up.
    ///
    /// # Errors
    /// Like [`to`](Self::to), and everything that is wrong with the policy.
    pub fn with_options<A: Adapter>(
        adapters: impl IntoIterator<Item = A>,
        delays: RetryPolicy,
        capacity: usize,
    ) -> Result<Self, RegistrationError> {
        Self::builder(adapters).delays(delays).capacity(capacity).start()
    }

    /// Sends dead letters to each of these adapters, with more options.
    pub fn builder<A: Adapter>(adapters: impl IntoIterator<Item = A>) -> DeadLettersBuilder<A> {
        DeadLettersBuilder::new(adapters.into_iter().collect())
    }

    /// Hands a dead letter to the targets; waits while one of them keeps as many as it may.
    ///
    /// If the future is dropped while it waits, the letter has been handed over all the same.
    ///
    /// # Errors
    /// The letter, if the targets have been closed.
    pub async fn put(&self, letter: DeadLetter) -> Result<(), Box<DeadLetter>> {
        let mut handover = Handover { letter: Arc::new(letter), targets: &self.targets };
        while let Some((target, rest)) = handover.targets.split_first() {
            let permit = Arc::clone(&target.room).acquire_owned().await;
            let taken = permit.is_ok_and(|permit| target.keep(&handover.letter, permit));
            handover.targets = rest;
            if !taken {
                // The caller has it from here on.
                handover.targets = &[];
                return Err(Box::new(DeadLetter::clone(&handover.letter)));
            }
        }
        Ok(())
    }

    /// Dead letters that some target has not taken yet; one that two have not taken counts twice.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.targets.iter().map(Target::pending).sum()
    }

    /// Takes no more, tries until `deadline` from now to deliver what there is, and hands back what is left.
    ///
    /// Asked twice, at once or later, they are closed once, at the earlier deadline, and both get the same letters.
    pub async fn close(&self, deadline: Duration) -> DeadLettersReport {
        let until = crate::runtime::after(deadline);
        let closing = self.targets.iter().map(|target| async move {
            // An error says that it has been closed before; what was left then is told again.
            let _ = target.mailbox.send(Command::Close { until });
            target.room.close();
            target.over.close();
            let mut left = target.left.clone();
            let left = left.wait_for(Option::is_some).await.ok().and_then(|left| left.clone());
            (target.name.clone(), left)
        });
        let mut report = DeadLettersReport::default();
        for (name, left) in futures_util::future::join_all(closing).await {
            let Some(left) = left else {
                // A runtime that has gone ends the actor without a word, and so would a panic.
                tracing::error!(
                    target = name,
                    "dead letters were lost, if there were any: what keeps them had ended before, with its runtime or in a \
                     panic"
                );
                report.unknown.push(name);
                continue;
            };
            if !left.is_empty() {
                report.left.push((name, left.iter().map(|letter| DeadLetter::clone(letter)).collect()));
            }
        }
        report
    }
}

/// A letter and the targets that do not have it yet; dropped before they all do, it is given to the rest at once.
struct Handover<'a> {
    letter: Arc<DeadLetter>,
    targets: &'a [Target],
}

impl Drop for Handover<'_> {
    fn drop(&mut self) {
        for target in self.targets {
            let room = [&target.room, &target.over];
            let permit = room.into_iter().find_map(|room| Arc::clone(room).try_acquire_owned().ok());
            if !permit.is_some_and(|permit| target.keep(&self.letter, permit)) {
                tracing::error!(
                    dead_letter_id = %self.letter.id, envelope_id = %self.letter.envelope.id(), target = target.name,
                    "a dead letter was lost: its caller gave up waiting for room, and twice the capacity is kept \
                     already, or the target is closed; raise the capacity"
                );
            }
        }
    }
}

impl Target {
    /// Gives it a letter; whether it takes any.
    fn keep(&self, letter: &Arc<DeadLetter>, permit: OwnedSemaphorePermit) -> bool {
        self.mailbox.send(Command::Put(Kept::new(Arc::clone(letter), permit))).is_ok()
    }

    fn pending(&self) -> usize {
        let free = self.room.available_permits().saturating_add(self.over.available_permits());
        self.capacity.saturating_mul(2).saturating_sub(free)
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self.targets.iter().map(|target| (&target.name, target.pending()));
        f.debug_map().entries(targets).finish()
    }
}

#[cfg(test)]
mod tests;
