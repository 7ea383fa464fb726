use std::path::PathBuf;
use std::time::Duration;

use super::Offset;
use crate::topic::Topic;

/// Where an error came from.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a log could not do what was asked.
///
/// Nothing was done, except where a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A record is not what was written.
    #[error(
        "record {offset} of topic '{topic}' is damaged ({what}): restore the log from a copy, or seek past the record \
         to lose it knowingly"
    )]
    Damaged {
        /// The topic.
        topic: Topic,
        /// The record.
        offset: Offset,
        /// What is wrong with it.
        what: String,
    },
    /// A cursor points past the end: the log has lost records, or is another one.
    #[error(
        "the log of topic '{topic}' ends at {head}, but subscription '{subscription}' has already passed {cursor}: \
         records are missing; restore the log from a copy, or seek the subscription to {head} to go on without them"
    )]
    EndsBelowCursor {
        /// The topic.
        topic: Topic,
        /// The next offset that the log would assign.
        head: Offset,
        /// The subscription.
        subscription: String,
        /// Its cursor.
        cursor: Offset,
    },
    /// Another process has the folder.
    #[error("{} is in use by another process, or was opened in this one already: close that one, or use another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The store was written by a version that this one does not know.
    #[error(
        "the store has format {found}, this version reads up to {known}: use a newer version of this program"
    )]
    Newer {
        /// The format of the store.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// There is no room.
    #[error("the log is full ({what}): make room, or trim it; nothing was appended")]
    Full {
        /// What is full.
        what: String,
    },
    /// The store may be read but not written.
    #[error("the log cannot be written ({what}): check the permissions of its folder")]
    ReadOnly {
        /// What was refused.
        what: String,
    },
    /// An entry is larger than the log takes.
    #[error("the envelope has {bytes} bytes, the log takes {limit}: send less, or raise the limit")]
    TooLarge {
        /// Size of the entry.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An envelope cannot be written, or what is stored cannot be read as one.
    #[error("the envelope cannot be stored: {what}")]
    NotStorable {
        /// Why, without any value of the payload.
        what: String,
    },
    /// The store does not answer now. An append may or may not have been done.
    #[error("the log is not available: {what}")]
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
    #[error("the log has failed: {what}")]
    Failed {
        /// What failed.
        what: String,
        /// Why.
        #[source]
        source: Option<Source>,
    },
    /// The log was closed.
    #[error("the log is closed: open it again")]
    Closed,
}

impl LogError {
    /// The store does not answer now.
    pub fn unavailable(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable { what: what.into(), retry_in: None, source: Some(source.into()) }
    }

    /// The store has failed for good.
    pub fn failed(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Failed { what: what.into(), source: Some(source.into()) }
    }

    /// Whether asking again may help without anybody doing something about it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }

    /// Whether it is about what was to be appended: something else, or less, might be taken.
    #[must_use]
    pub const fn is_about_entries(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::NotStorable { .. } | Self::Full { .. })
    }

    /// The same error once more, without its source: for the many who wait for one commit.
    #[must_use]
    pub fn repeat(&self) -> Self {
        match self {
            Self::Damaged { topic, offset, what } => {
                Self::Damaged { topic: topic.clone(), offset: *offset, what: what.clone() }
            }
            Self::EndsBelowCursor { topic, head, subscription, cursor } => Self::EndsBelowCursor {
                topic: topic.clone(),
                head: *head,
                subscription: subscription.clone(),
                cursor: *cursor,
            },
            Self::Locked { path } => Self::Locked { path: path.clone() },
            Self::Newer { found, known } => Self::Newer { found: *found, known: *known },
            Self::Full { what } => Self::Full { what: what.clone() },
            Self::ReadOnly { what } => Self::ReadOnly { what: what.clone() },
            Self::TooLarge { bytes, limit } => Self::TooLarge { bytes: *bytes, limit: *limit },
            Self::NotStorable { what } => Self::NotStorable { what: what.clone() },
            Self::Unavailable { what, retry_in, .. } => {
                Self::Unavailable { what: what.clone(), retry_in: *retry_in, source: None }
            }
            Self::Failed { what, .. } => Self::Failed { what: what.clone(), source: None },
            Self::Closed => Self::Closed,
        }
    }
}
