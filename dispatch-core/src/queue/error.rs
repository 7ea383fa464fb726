use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::messenger::{MessengerError, MessengerErrorCode};

/// Where an error came from.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a queue could not do what was asked.
///
/// Nothing was done, except where a variant says otherwise. No text holds a key or a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The message has the key of another one, and was to be refused then.
    #[error(
        "message {of} has the same idempotency key: send another key, or do not ask for duplicates to be rejected"
    )]
    Duplicate {
        /// The message that has the key.
        of: Uuid,
    },
    /// The claim is not the newest of its message any more, or the message is gone.
    #[error(
        "the lease on message {id} is lost: it ran out and somebody else has the message, or it was settled or removed; \
         nothing was changed"
    )]
    LeaseLost {
        /// The message.
        id: Uuid,
    },
    /// A message is larger than the queue takes.
    #[error("the message has {bytes} bytes, the queue takes {limit}: send less, or raise the limit")]
    TooLarge {
        /// Size of the message.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A part of a message is nested so deep that it could be stored, and then not be read back.
    #[error("the {part} is nested more than {deepest} levels deep: use fewer levels", deepest = crate::messenger::QueuedMessage::DEEPEST)]
    TooDeep {
        /// `payload` or `metadata`.
        part: &'static str,
    },
    /// A message cannot be written.
    #[error("the message cannot be stored: {what}")]
    NotStorable {
        /// Why, without any value of the payload.
        what: String,
    },
    /// There is no room.
    #[error(
        "the queue is full ({what}): make room, or wait until messages have been handled; nothing was stored"
    )]
    Full {
        /// What is full.
        what: String,
    },
    /// The store may be read but not written.
    #[error("the queue cannot be written ({what}): check its permissions")]
    ReadOnly {
        /// What was refused.
        what: String,
    },
    /// The tables that the queue needs are not there, or are of an older version.
    #[error("the store has version {found} of the tables, this version needs {wanted}: run the migrations")]
    NotMigrated {
        /// The version that was found; 0 if there are no tables.
        found: u32,
        /// The version that is needed.
        wanted: u32,
    },
    /// The store was written by a version that this one does not know.
    #[error(
        "the store has version {found}, this program knows up to {known}: use a newer version of this program"
    )]
    Newer {
        /// The version of the store.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// A file is not what a queue has written.
    #[error("{} is not the database of a queue, or is damaged ({what}): restore it from a copy, or use another file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What was asked for cannot be done here.
    #[error("{what}")]
    Unsupported {
        /// What cannot be done, and what to do instead.
        what: &'static str,
    },
    /// The handler of a message that is handled at once has failed.
    #[error("the handler of '{message_type}' has failed: {what}")]
    Handler {
        /// The type of the message.
        message_type: String,
        /// What it failed with, sanitised.
        what: String,
        /// Whether trying again may help.
        retryable: bool,
    },
    /// The store does not answer now. What was asked may or may not have been done; asking again with the same ids does
    /// nothing twice.
    #[error("the queue is not available: {what}")]
    Unavailable {
        /// What failed.
        what: String,
        /// When to ask again, if that is known.
        retry_in: Option<Duration>,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// The store has failed in a way that does not pass by itself.
    #[error("the queue has failed: {what}")]
    Failed {
        /// What failed.
        what: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// The queue was closed.
    #[error("the queue is closed: open it again")]
    Closed,
}

impl QueueError {
    /// The store does not answer now.
    pub fn unavailable(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable { what: what.into(), retry_in: None, source: Some(source.into()) }
    }

    /// The store has failed for good.
    pub fn failed(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Failed { what: what.into(), source: Some(source.into()) }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> MessengerErrorCode {
        match self {
            Self::Duplicate { .. } | Self::TooLarge { .. } | Self::TooDeep { .. } => {
                MessengerErrorCode::MessageValidation
            }
            Self::LeaseLost { .. } => MessengerErrorCode::Lock,
            Self::NotStorable { .. } => MessengerErrorCode::Serialization,
            Self::Handler { .. } => MessengerErrorCode::Handler,
            Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::NotMigrated { .. }
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::Unsupported { .. }
            | Self::Unavailable { .. }
            | Self::Failed { .. }
            | Self::Closed => MessengerErrorCode::Transport,
        }
    }

    /// Whether asking again may help without anybody doing something about it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Full { .. } => true,
            Self::Handler { retryable, .. } => *retryable,
            _ => false,
        }
    }

    /// The same error once more, without its source: for the many who wait for one commit.
    #[must_use]
    pub fn repeat(&self) -> Self {
        match self {
            Self::Duplicate { of } => Self::Duplicate { of: *of },
            Self::LeaseLost { id } => Self::LeaseLost { id: *id },
            Self::TooLarge { bytes, limit } => Self::TooLarge { bytes: *bytes, limit: *limit },
            Self::TooDeep { part } => Self::TooDeep { part },
            Self::NotStorable { what } => Self::NotStorable { what: what.clone() },
            Self::Full { what } => Self::Full { what: what.clone() },
            Self::ReadOnly { what } => Self::ReadOnly { what: what.clone() },
            Self::NotMigrated { found, wanted } => Self::NotMigrated { found: *found, wanted: *wanted },
            Self::Newer { found, known } => Self::Newer { found: *found, known: *known },
            Self::Damaged { path, what } => Self::Damaged { path: path.clone(), what: what.clone() },
            Self::Unsupported { what } => Self::Unsupported { what },
            Self::Handler { message_type, what, retryable } => Self::Handler {
                message_type: message_type.clone(),
                what: what.clone(),
                retryable: *retryable,
            },
            Self::Unavailable { what, retry_in, .. } => {
                Self::Unavailable { what: what.clone(), retry_in: *retry_in, source: None }
            }
            Self::Failed { what, .. } => Self::Failed { what: what.clone(), source: None },
            Self::Closed => Self::Closed,
        }
    }
}

impl From<QueueError> for MessengerError {
    fn from(error: QueueError) -> Self {
        Self::new(error.code(), error.to_string()).with_retryable(error.is_retryable())
    }
}
