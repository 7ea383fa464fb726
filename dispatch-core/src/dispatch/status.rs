use std::fmt;

use serde::{Deserialize, Serialize};

/// How a dispatch, or one dispatcher's part of it, ended.
///
/// Written in snake case; reading also accepts the older names `no_handler` and `handler_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchStatus {
    /// Every matched dispatcher succeeded.
    Success,
    /// The envelope was handed to the matched dispatchers; their outcomes are still open.
    Routed,
    /// Nothing matched.
    #[serde(alias = "no_handler")]
    NoDispatcher,
    /// At least one dispatcher failed.
    #[serde(alias = "handler_error")]
    DispatcherError,
    /// No dispatcher failed, but at least one did not answer in time.
    Timeout,
    /// The topic or the envelope is not valid; no dispatcher saw it.
    InvalidMessage,
    /// The dispatchers succeeded, but some of their outputs could not be published.
    PublishFailed,
    /// An interceptor filtered the envelope out, or it is a duplicate.
    Skipped,
}

impl DispatchStatus {
    /// Every status, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Routed,
        Self::NoDispatcher,
        Self::DispatcherError,
        Self::Timeout,
        Self::InvalidMessage,
        Self::PublishFailed,
        Self::Skipped,
    ];

    /// Whether nothing more will happen: all but [`Routed`](Self::Routed).
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Routed)
    }

    /// Whether this is [`Success`](Self::Success).
    #[must_use]
    pub const fn is_successful(self) -> bool {
        matches!(self, Self::Success)
    }

    /// Whether something went wrong. [`Skipped`](Self::Skipped) and [`Routed`](Self::Routed) are neither
    /// success nor error.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::NoDispatcher
                | Self::DispatcherError
                | Self::Timeout
                | Self::InvalidMessage
                | Self::PublishFailed
        )
    }

    /// Whether the same dispatch may succeed when it is tried again.
    #[must_use]
    pub const fn requires_retry(self) -> bool {
        matches!(self, Self::Timeout | Self::PublishFailed)
    }

    /// The name used in JSON, logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Routed => "routed",
            Self::NoDispatcher => "no_dispatcher",
            Self::DispatcherError => "dispatcher_error",
            Self::Timeout => "timeout",
            Self::InvalidMessage => "invalid_message",
            Self::PublishFailed => "publish_failed",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for DispatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_with_serde() {
        for status in DispatchStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn older_names_are_read() {
        let read = |name| serde_json::from_str::<DispatchStatus>(name).unwrap();
        assert_eq!(read("\"no_handler\""), DispatchStatus::NoDispatcher);
        assert_eq!(read("\"handler_error\""), DispatchStatus::DispatcherError);
    }
}
