use dispatch_core::{Category, DispatchStatus};
use serde::{Deserialize, Serialize};

/// Number of dispatches per category; invalid messages are in none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoryMetrics {
    /// Dispatches of events.
    pub event: u64,
    /// Dispatches of commands.
    pub command: u64,
    /// Dispatches of intents.
    pub intent: u64,
}

impl CategoryMetrics {
    /// The number of one category.
    #[must_use]
    pub const fn get(&self, category: Category) -> u64 {
        match category {
            Category::Event => self.event,
            Category::Command => self.command,
            Category::Intent => self.intent,
        }
    }

    pub(super) const fn slot(&mut self, category: Category) -> &mut u64 {
        match category {
            Category::Event => &mut self.event,
            Category::Command => &mut self.command,
            Category::Intent => &mut self.intent,
        }
    }
}

/// Number of dispatches per status; they add up to the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusMetrics {
    /// Every matched dispatcher succeeded.
    pub success: u64,
    /// Handed over without waiting for the outcomes.
    pub routed: u64,
    /// Nothing matched.
    pub no_dispatcher: u64,
    /// At least one dispatcher failed.
    pub dispatcher_error: u64,
    /// No dispatcher failed, at least one did not answer in time.
    pub timeout: u64,
    /// The topic or the envelope was not valid.
    pub invalid_message: u64,
    /// Some outputs could not be published.
    pub publish_failed: u64,
    /// Filtered out or a duplicate.
    pub skipped: u64,
}

impl StatusMetrics {
    /// The number of one status.
    #[must_use]
    pub const fn get(&self, status: DispatchStatus) -> u64 {
        match status {
            DispatchStatus::Success => self.success,
            DispatchStatus::Routed => self.routed,
            DispatchStatus::NoDispatcher => self.no_dispatcher,
            DispatchStatus::DispatcherError => self.dispatcher_error,
            DispatchStatus::Timeout => self.timeout,
            DispatchStatus::InvalidMessage => self.invalid_message,
            DispatchStatus::PublishFailed => self.publish_failed,
            DispatchStatus::Skipped => self.skipped,
        }
    }

    pub(super) const fn slot(&mut self, status: DispatchStatus) -> &mut u64 {
        match status {
            DispatchStatus::Success => &mut self.success,
            DispatchStatus::Routed => &mut self.routed,
            DispatchStatus::NoDispatcher => &mut self.no_dispatcher,
            DispatchStatus::DispatcherError => &mut self.dispatcher_error,
            DispatchStatus::Timeout => &mut self.timeout,
            DispatchStatus::InvalidMessage => &mut self.invalid_message,
            DispatchStatus::PublishFailed => &mut self.publish_failed,
            DispatchStatus::Skipped => &mut self.skipped,
        }
    }
}
