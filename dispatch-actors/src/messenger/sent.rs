use std::time::SystemTime;

use dispatch_core::messenger::{MessengerError, Name, Priority};
use uuid::Uuid;

/// A message that a transport has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Under which id: its own, or that of the one it is a duplicate of.
    pub id: Uuid,
    /// Which transport.
    pub transport: Name,
    /// In which queue.
    pub queue: Name,
    /// How soon it is handled beside others.
    pub priority: Priority,
    /// When it was to be due, as it was given. Of a duplicate it is not said: what counts is what is stored.
    pub scheduled_at: Option<SystemTime>,
    /// The message that had its key already, so that this one was not stored.
    pub duplicate_of: Option<Uuid>,
    /// The message that it took the place of.
    pub replaced: Option<Uuid>,
}

impl Sent {
    /// A message of the default priority that was stored: for what takes the place of a messenger in tests.
    #[must_use]
    pub const fn new(id: Uuid, transport: Name, queue: Name) -> Self {
        Self {
            id,
            transport,
            queue,
            priority: Priority::DEFAULT,
            scheduled_at: None,
            duplicate_of: None,
            replaced: None,
        }
    }
}

/// What became of a message in each of its transports, in their order.
#[derive(Debug)]
#[must_use = "a transport may have failed"]
#[non_exhaustive]
pub struct Dispatched {
    /// What the messages of all transports have in common.
    pub correlation_id: Uuid,
    /// The transports, and what each of them said.
    pub transports: Vec<(Name, Result<Sent, MessengerError>)>,
}

impl Dispatched {
    /// What became of a message: for what takes the place of a messenger in tests.
    pub fn new(
        correlation_id: Uuid,
        transports: impl IntoIterator<Item = (Name, Result<Sent, MessengerError>)>,
    ) -> Self {
        Self { correlation_id, transports: transports.into_iter().collect() }
    }

    /// What was sent, if every transport has it.
    ///
    /// # Errors
    /// What the transports said that do not have it, and which have it.
    pub fn all(self) -> Result<Vec<Sent>, MessengerError> {
        let (mut sent, mut failed) = (Vec::new(), Vec::new());
        for (transport, result) in self.transports {
            match result {
                Ok(one) => sent.push(one),
                Err(error) => failed.push((transport, error)),
            }
        }
        let Some((_, first)) = failed.first() else { return Ok(sent) };
        let mut texts: Vec<_> = failed
            .iter()
            .map(|(transport, error)| format!("transport '{transport}': {}", error.problems().join("; ")))
            .collect();
        texts.extend(sent.iter().map(|sent| format!("transport '{}' has it as {}", sent.transport, sent.id)));
        // Trying again can be worth it only if none of them refuses for good.
        let retryable = failed.iter().all(|(_, error)| error.is_retryable());
        Err(MessengerError::new(first.code(), texts.join("; ")).with_retryable(retryable))
    }
}

/// What became of the messages of a batch: one result per message, in their order.
#[derive(Debug)]
#[must_use = "messages may have failed"]
#[non_exhaustive]
pub struct BatchResult {
    /// What was sent of each message, or why not all of it was.
    pub results: Vec<Result<Vec<Sent>, MessengerError>>,
}

impl BatchResult {
    /// What became of messages, in their order.
    pub const fn new(results: Vec<Result<Vec<Sent>, MessengerError>>) -> Self {
        Self { results }
    }

    /// How many messages all of their transports have.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.results.iter().filter(|result| result.is_ok()).count()
    }

    /// How many messages at least one of their transports does not have.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.results.len() - self.succeeded()
    }

    /// The errors, with the place of their message.
    pub fn errors(&self) -> impl Iterator<Item = (usize, &MessengerError)> {
        let errors = self.results.iter().enumerate();
        errors.filter_map(|(place, result)| Some((place, result.as_ref().err()?)))
    }
}
