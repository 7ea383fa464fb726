use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::millis;

/// When an append is acknowledged, and so what it survives.
///
/// [`Display`](fmt::Display) writes the promise out; a bus logs it when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
#[non_exhaustive]
pub enum SyncPolicy {
    /// After it was flushed to disk. Appends that wait at the same time share one flush.
    #[default]
    Always,
    /// After it was written; flushed in these intervals, or as soon after one as a flush or a checkpoint that is under
    /// way has ended.
    Interval {
        /// The time between two flushes; in milliseconds where it is serialised.
        #[serde(rename = "every_ms", with = "millis")]
        every: Duration,
    },
    /// After it was written; the operating system decides when it is flushed.
    Os,
    /// At once; nothing is written anywhere.
    Memory,
    /// When a server has acknowledged it; what that means is up to its configuration.
    Server,
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str(
                "always: an acknowledged message survives a crash of the process, kill -9 and loss of power, if the \
                 disk honours a flush; it does not survive loss of the disk",
            ),
            Self::Interval { every } => write!(
                f,
                "interval: an acknowledged message survives a crash of the process and kill -9; a loss of power can \
                 lose the messages of the last {every:?}, and of a flush or a checkpoint that took longer, the rest is \
                 a log without gaps"
            ),
            Self::Os => f.write_str(
                "os: an acknowledged message survives a crash of the process and kill -9; a loss of power can lose \
                 the newest messages, the rest is a log without gaps",
            ),
            Self::Memory => f.write_str("memory: an acknowledged message is lost with the process"),
            Self::Server => f.write_str(
                "server: an acknowledged message has been taken by the server, and survives what its configuration \
                 says",
            ),
        }
    }
}
