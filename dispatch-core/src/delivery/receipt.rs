use std::fmt;

use bytes::Bytes;

/// What a destination answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id the destination gave the message, if it gave one.
    pub id: Option<String>,
    /// Why nothing was sent although nothing failed.
    pub skipped: Option<SkippedDelivery>,
    /// What it said beyond that.
    pub answer: Option<Box<Answer>>,
    /// Whether it only waits in a queue: the destination has not been asked yet.
    pub queued: bool,
    /// Whether a fallback took the envelope, because the destination did not.
    pub fallback: bool,
}

/// Why an adapter took an envelope and did nothing with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkippedDelivery {
    /// The topic has no category, so an engine cannot route it.
    NoCategory,
    /// The engine skipped it: an interceptor filtered it out, as one that was seen before, for instance.
    Filtered,
}

/// The answer of a destination that answers.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status it gave, such as 200.
    pub status: Option<u16>,
    /// What it said, as far as the adapter reads it; 64 KiB at most.
    pub body: Bytes,
}

impl Answer {
    /// An answer with a status and a body.
    pub fn new(status: Option<u16>, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into() }
    }
}

impl fmt::Debug for Answer {
    /// Shows the length of the body only: nobody knows what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

impl Receipt {
    /// The destination took it and said nothing more.
    #[must_use]
    pub fn taken() -> Self {
        Self::default()
    }

    /// The destination took it and gave it an id.
    pub fn with_id(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    /// A queue took it.
    #[must_use]
    pub fn queued() -> Self {
        Self { queued: true, ..Self::default() }
    }

    /// The destination took it and answered.
    #[must_use]
    pub fn answered(answer: Answer) -> Self {
        Self { answer: Some(Box::new(answer)), ..Self::default() }
    }

    /// Nothing was sent, for a reason that is no failure.
    #[must_use]
    pub fn skipped(reason: SkippedDelivery) -> Self {
        Self { skipped: Some(reason), ..Self::default() }
    }

    /// The same receipt, from a fallback.
    #[must_use]
    pub fn from_fallback(mut self) -> Self {
        self.fallback = true;
        self
    }
}
